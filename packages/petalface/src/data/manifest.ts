import { createReadStream } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse } from "csv-parse";
import { PetalfaceError } from "../errors.ts";
import { byCodeUnits, dataOfFiles } from "./files.ts";
import type { FaceData } from "./types.ts";

/** One line of a manifest, not yet checked. */
interface Line {
  readonly number: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

const longestLine = 65_536;

/**
 * Opens a manifest: a CSV file with a header, or one JSON object a line. `path` is relative to the manifest's folder;
 * `person` (a name) and `quality` (a number) may be left out, `person` everywhere or nowhere. Other columns are ignored.
 *
 * @throws PetalfaceError naming the line that is wrong
 */
export async function openManifest(spec: string): Promise<FaceData> {
  const ids: string[] = [];
  const owners: (string | undefined)[] = [];
  const scores: number[] = [];
  const lineOf: number[] = [];
  const seen = new Set<string>();
  const wrong = (line: number, what: string) => new PetalfaceError(`${spec}, line ${line}: ${what}`);
  try {
    for await (const { number, fields } of spec.toLowerCase().endsWith(".csv")
      ? csvLines(spec)
      : jsonLines(spec, wrong)) {
      const { path, person, quality } = fields;
      if (typeof path !== "string" || path === "") throw wrong(number, "no path");
      const id = path.replaceAll("\\", "/");
      if (seen.has(id)) throw wrong(number, `${path} is listed twice`);
      seen.add(id);
      const owner = person === undefined || person === null || person === "" ? undefined : String(person);
      if (owners.length > 0 && (owner === undefined) !== (owners[0] === undefined)) {
        throw wrong(number, "some lines name a person and some do not; name all or none");
      }
      const score = quality === undefined || quality === null || quality === "" ? Number.NaN : Number(quality);
      if (Number.isNaN(score) && String(quality ?? "") !== "")
        throw wrong(number, `quality ${String(quality)} is no number`);
      ids.push(id);
      owners.push(owner);
      scores.push(score);
      lineOf.push(number);
    }
  } catch (cause) {
    if (cause instanceof PetalfaceError) throw cause;
    throw new PetalfaceError(`cannot read ${spec}: ${(cause as Error).message}`, { cause });
  }
  if (ids.length === 0) throw new PetalfaceError(`${spec} lists no photos`);
  const people = [...new Set(owners.filter((owner) => owner !== undefined))].sort(byCodeUnits);
  const indexOf = new Map(people.map((name, index) => [name, index]));
  const person = Int32Array.from(owners, (owner) => (owner === undefined ? -1 : (indexOf.get(owner) as number)));
  const root = dirname(resolve(spec));
  const quality = Float32Array.from(scores);
  const files = {
    spec,
    root,
    people,
    person,
    length: ids.length,
    id: (index: number) => ids[index] as string,
    quality,
  };
  return dataOfFiles(files, (index) => wrong(lineOf[index] as number, `there is no file ${ids[index]}`));
}

async function* csvLines(spec: string): AsyncGenerator<Line> {
  const parser = createReadStream(spec).pipe(
    parse({ bom: true, columns: true, info: true, trim: true, skip_empty_lines: true, max_record_size: longestLine }),
  );
  for await (const { record, info } of parser as AsyncIterable<{
    record: Record<string, string>;
    info: { lines: number };
  }>) {
    if (!Object.hasOwn(record, "path")) {
      throw new PetalfaceError(
        `${spec} has no column "path"; its header must name path and may name person and quality`,
      );
    }
    yield { number: info.lines, fields: record };
  }
}

async function* jsonLines(spec: string, wrong: (line: number, what: string) => Error): AsyncGenerator<Line> {
  let number = 0;
  for await (const text of textLines(spec, (line) =>
    wrong(line, `too long; a line may have ${longestLine} characters`),
  )) {
    number++;
    if (text.trim() === "") continue;
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch {
      throw wrong(number, "not a JSON object");
    }
    if (typeof fields !== "object" || fields === null || Array.isArray(fields))
      throw wrong(number, "not a JSON object");
    yield { number, fields: fields as Record<string, unknown> };
  }
}

/** Lines of a UTF-8 file. Node's own line reader keeps a line of any length in memory. */
async function* textLines(path: string, tooLong: (line: number) => Error): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let line = 1;
  for await (const chunk of createReadStream(path)) {
    const parts = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
    rest = parts.pop() as string;
    for (const part of parts) {
      if (part.length > longestLine) throw tooLong(line);
      line++;
      yield part;
    }
    if (rest.length > longestLine) throw tooLong(line);
  }
  yield rest + decoder.decode();
}
