import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { pipeline, Readable } from "node:stream";
import type { Options } from "csv-parse";
import { printPath } from "../images/index.ts";
import { refusePlaceholder } from "../placeholder.ts";

/** The error to throw for a line, counted from 1. */
export type Wrong = (line: number, what: string) => Error;

/** Characters that a line may have. */
export const longestLine = 65_536;
/** No character takes more bytes. */
const bytesPerCharacter = 4;

const lineFeed = 10;

/**
 * Lines of a UTF-8 file, one by one. Node's own line reader keeps a line of any length in memory.
 */
export async function* textLines(path: string, wrong: Wrong): AsyncGenerator<string> {
  let line = 1;
  let rest = "";
  for await (const block of textBlocks(path, wrong)) {
    const lines = (rest + block).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      if (text.length > longestLine) throw tooLong(wrong, line);
      line++;
      yield text;
    }
  }
  if (rest.length > longestLine) throw tooLong(wrong, line);
  yield rest;
}

/** One row of a CSV file with a header, and the line that it ends on. */
export interface CsvRow {
  readonly record: Readonly<Record<string, string>>;
  readonly line: number;
}

/**
 * Rows of a UTF-8 CSV file whose first line names the columns.
 *
 * @param options what differs from a header of names as they are and rows of its length
 */
export async function* csvRows(path: string, wrong: Wrong, options: Options = {}): AsyncGenerator<CsvRow> {
  // Loaded by who reads such a file only.
  const { parse } = await import("csv-parse");
  const rows = parse({
    bom: true,
    columns: true,
    info: true,
    trim: true,
    skip_empty_lines: true,
    max_record_size: longestLine,
    ...options,
  });
  // The pipeline passes the text's error to the parser, whose reader gets it.
  pipeline(Readable.from(textBlocks(path, wrong)), rows, () => {});
  const parsed: AsyncIterable<{ record: Record<string, string>; info: { lines: number } }> = rows;
  for await (const { record, info } of parsed) yield { record, line: info.lines };
}

/**
 * A file as text in whole lines, several at a time; the last may lack its end. The mark of UTF-8 at
 * its beginning is left out.
 */
async function* textBlocks(path: string, wrong: Wrong): AsyncGenerator<string> {
  let line = 1;
  let rest: Buffer = Buffer.alloc(0);
  let first = true;
  const decode = (bytes: Buffer): string => {
    if (first) refusePlaceholder(bytes, printPath(path));
    if (!isUtf8(bytes)) throw notText(bytes, line, wrong);
    for (const byte of bytes) if (byte === lineFeed) line++;
    const text = bytes.toString("utf8");
    const marked = first && text.startsWith("\ufeff");
    first = false;
    return marked ? text.slice(1) : text;
  };
  const chunks: AsyncIterable<Buffer> = createReadStream(path);
  for await (const chunk of chunks) {
    const bytes = Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(lineFeed) + 1;
    rest = bytes.subarray(end);
    if (end > 0) yield decode(bytes.subarray(0, end));
    if (rest.length > bytesPerCharacter * longestLine) throw tooLong(wrong, line);
  }
  if (rest.length > 0) yield decode(rest);
}

const tooLong = (wrong: Wrong, line: number): Error =>
  wrong(line, `too long; a line may have ${longestLine} characters`);

/**
 * The error for bytes from the line `first` on, one of which is not UTF-8: names of two people
 * could become one.
 */
function notText(bytes: Buffer, first: number, wrong: Wrong): Error {
  let line = first;
  for (let start = 0; start < bytes.length; line++) {
    const found = bytes.indexOf(lineFeed, start);
    const end = found < 0 ? bytes.length : found + 1;
    if (!isUtf8(bytes.subarray(start, end))) break;
    start = end;
  }
  return wrong(line, "not UTF-8 text; save the file as UTF-8 (Excel: CSV UTF-8)");
}
