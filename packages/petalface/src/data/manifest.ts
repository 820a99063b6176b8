import { dirname, extname, isAbsolute, join, resolve } from "node:path";
import { entryOf, itemAt } from "onnx-grad";
import { cannotRead, messageOf, PetalfaceError } from "../errors.ts";
import { printPath } from "../images/index.ts";
import { leadsThroughLitter } from "../litter.ts";
import { byCodeUnits } from "./files.ts";
import type { ScanOptions } from "./listing/cached.ts";
import { createIndex, createPause, type FileIndex } from "./listing/index-of-files.ts";
import { createNames } from "./listing/names.ts";
import { createSpelling, nameKey } from "./listing/spelling.ts";
import { createStamps, type Stamps } from "./listing/stamps.ts";
import { csvRows, textLines, type Wrong } from "./text.ts";
import { requireMost } from "./unreadable.ts";

/** One line of a manifest, not yet checked. */
interface Line {
  readonly number: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Endings of the file names of manifests. */
export const manifestExtensions: ReadonlySet<string> = new Set([".csv", ".jsonl", ".ndjson", ".lst"]);

/** Lines between two turns of the event loop. */
const turn = 4096;

/**
 * Lists a manifest: a CSV file with a header, one JSON object a line, or MXNet's `.lst` of photos
 * with labels. `path` is relative to the manifest's folder; `person` (a name) and `quality` (a
 * number) may be left out, `person` everywhere or nowhere. Other columns are ignored. Files that
 * are not there are counted in `unreadable`.
 *
 * @throws PetalfaceError naming the line that is wrong, or where none of the files is there
 */
export async function scanManifest(
  spec: string,
  { onProgress, signal, mostLeftOut }: ScanOptions,
): Promise<{ readonly index: FileIndex; readonly stamps: Stamps }> {
  const wrong = (line: number, what: string) =>
    new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(spec)}, line ${line}: ${what}`);
  const stamps = createStamps();
  stamps.add(resolve(spec));
  const rows = await readRows(spec, wrong);
  const { people, owners, paths, scores, lines } = rows;
  const root = dirname(resolve(spec));
  const spelled = createSpelling(root);
  const builder = createIndex();
  const pause = createPause(turn);
  const quality = new Float32Array(paths.length);
  let [kept, skipped] = [0, 0];
  for (let row = 0; row < paths.length; row++) {
    if (leadsThroughLitter(paths.at(row))) {
      skipped++;
      continue;
    }
    const id = spelled(paths.at(row));
    const path = isAbsolute(id) ? id : join(root, id);
    const what = `${printPath(spec)}, line ${lines[row]}, ${printPath(id)}`;
    if (builder.add(path, id, id, itemAt(owners, row), people, what)) quality[kept++] = itemAt(scores, row);
    const pausing = pause();
    if (pausing !== undefined) {
      onProgress?.(row);
      await pausing;
      signal?.throwIfAborted();
    }
  }
  const index = builder.finish({ people, inFolders: false, skipped, quality: quality.slice(0, kept) });
  if (kept === 0) {
    requireMost(printPath(spec), index.unreadable, mostLeftOut);
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `${printPath(spec)} lists no photos that are there: ${index.unreadable.first[0]}`,
    );
  }
  return { index, stamps: stamps.finish() };
}

/** All rows of a manifest, people sorted by name. */
async function readRows(spec: string, wrong: Wrong) {
  const paths = createNames();
  const seen = new Set<string>();
  const numbers = new Map<string, number>();
  const owners: number[] = [];
  const scores: number[] = [];
  const lines: number[] = [];
  try {
    for await (const { number, fields } of linesOf(spec, wrong)) {
      const { path, person, quality } = fields;
      if (typeof path !== "string" || path === "") throw wrong(number, "no path");
      if (path.includes("\0")) throw wrong(number, "the path holds a null character");
      const id = path.replaceAll("\\", "/");
      if (seen.has(nameKey(id))) throw wrong(number, `${printPath(path)} is listed twice`);
      seen.add(nameKey(id));
      const name = person === undefined || person === null || person === "" ? undefined : nameKey(String(person));
      if (owners.length > 0 && (name === undefined) !== itemAt(owners, 0) < 0)
        throw wrong(number, "some lines have a person and some do not; give all or none");
      if (name !== undefined && !numbers.has(name)) numbers.set(name, numbers.size);
      const score = quality === undefined || quality === null || quality === "" ? Number.NaN : Number(quality);
      if (Number.isNaN(score) && String(quality ?? "") !== "")
        throw wrong(number, `quality ${JSON.stringify(quality).slice(0, 40)} is not a number`);
      paths.push(id);
      owners.push(name === undefined ? -1 : entryOf(numbers, name));
      scores.push(score);
      lines.push(number);
    }
  } catch (cause) {
    throw cannotRead(printPath(spec), cause, messageOf(cause));
  }
  if (owners.length === 0) throw new PetalfaceError("PETAL_DATA_MISSING", `${printPath(spec)} lists no photos`);
  const people = [...numbers.keys()].sort(byCodeUnits);
  const rank = new Int32Array(people.length);
  people.forEach((name, place) => {
    rank[entryOf(numbers, name)] = place;
  });
  return {
    paths: paths.finish(),
    people,
    owners: Int32Array.from(owners, (owner) => (owner < 0 ? -1 : itemAt(rank, owner))),
    scores,
    lines,
  };
}

function linesOf(spec: string, wrong: Wrong): AsyncGenerator<Line> {
  switch (extname(spec).toLowerCase()) {
    case ".csv":
      return csvLines(spec, wrong);
    case ".lst":
      return listLines(spec, wrong);
    default:
      return jsonLines(spec, wrong);
  }
}

/**
 * Lines of a `.lst`, fields between tabs: MXNet's `number label ... path` (tools/im2rec.py) or
 * insightface's `aligned path label`.
 */
async function* listLines(spec: string, wrong: Wrong): AsyncGenerator<Line> {
  let number = 0;
  for await (const text of textLines(spec, wrong)) {
    number++;
    const parts = text.trim().split("\t");
    if (parts.length === 1 && parts[0] === "") continue;
    const isNumber = (part: string | undefined): boolean => /^-?\d+(\.\d+)?$/.test(part ?? "");
    const [path, label] = isNumber(parts[1]) ? [parts.at(-1), parts[1]] : [parts[1], parts[2]];
    if (parts.length < 3 || !isNumber(label) || path === undefined)
      throw wrong(number, "expected number, label and path, or 1, path and label, between tabs");
    yield { number, fields: { path, person: String(Number(label)) } };
  }
}

async function* csvLines(spec: string, wrong: Wrong): AsyncGenerator<Line> {
  for await (const { record, line } of csvRows(spec, wrong)) {
    if (!Object.hasOwn(record, "path")) {
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${printPath(spec)} has no column "path"; its header must name path and may name person and quality`,
      );
    }
    yield { number: line, fields: record };
  }
}

async function* jsonLines(spec: string, wrong: Wrong): AsyncGenerator<Line> {
  let number = 0;
  for await (const text of textLines(spec, wrong)) {
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
