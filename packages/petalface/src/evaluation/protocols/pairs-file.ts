import { open } from "node:fs/promises";
import { basename } from "node:path";
import { parse } from "csv-parse/sync";
import { itemAt, tupleOf } from "onnx-grad";
import { nameKey } from "../../data/index.ts";
import { messageOf, PetalfaceError, readCode } from "../../errors.ts";
import { readToEnd } from "../../files.ts";
import { refusePlaceholder } from "../../placeholder.ts";
import type { PairList } from "../results/types.ts";
import { buildPairList, type NamedPair, type Side } from "./pairs.ts";

/** A list of a few million pairs is below this; anything above is no list of pairs. */
const largestFile = 256 * 2 ** 20;

/** What to take of a pairs file. */
export interface ReadPairsOptions {
  /** Numbers of the folds to keep, counted from 1 as in LFW's description; all if left out. */
  readonly folds?: readonly number[] | undefined;
}

/**
 * Reads a list of pairs: LFW's format (first line `folds pairs`, then per fold that many `name i j`
 * and as many `name1 i name2 j`, image `name/name_0001.jpg`), or CSV with the columns
 * `path1,path2,same` and optionally `fold`, `person1`, `person2`. Without person columns the folder
 * of an image says who is on it. Without folds the pairs of each kind are split, in their order,
 * into ten folds.
 *
 * @throws PetalfaceError that names file and line.
 */
export async function readPairs(path: string, options: ReadPairsOptions = {}): Promise<PairList> {
  const text = await readText(path);
  const name = basename(path);
  const firstLine = text.slice(0, text.search(/\r?\n|$/));
  const lfw = /^\s*\d+(\s+\d+)?\s*$/.test(firstLine);
  if (!lfw && !firstLine.includes(","))
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${path}, line 1: is neither LFW's "folds pairs" nor a CSV header; expected "10 300" or "path1,path2,same"`,
    );
  const { pairs, foldNumbers } = lfw ? parseLfw(path, text) : parseCsv(path, text);
  if (pairs.length === 0) throw new PetalfaceError("PETAL_DATA_MISSING", `${path}: holds no pairs`);
  if (options.folds === undefined) return buildPairList(name, pairs);

  const wanted = new Set(options.folds);
  const unknown = options.folds.find((fold) => !foldNumbers.has(fold));
  if (unknown !== undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${path}: has no fold ${unknown}; it has ${[...foldNumbers].sort((a, b) => a - b).join(", ")}`,
    );
  return buildPairList(
    `${name}, folds ${[...wanted].sort((a, b) => a - b).join(", ")}`,
    pairs.filter((pair) => wanted.has(pair.fold + 1)),
  );
}

async function readText(path: string): Promise<string> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > largestFile)
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${path}: is ${size} bytes; a list of pairs is at most ${largestFile}`,
      );
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await readToEnd(file));
    refusePlaceholder(text, path);
    if (text.trim() === "")
      throw new PetalfaceError("PETAL_DATA_DAMAGED", `${path}: is empty; expected a list of pairs`);
    return text;
  } catch (error) {
    if (error instanceof PetalfaceError) throw error;
    if (error instanceof TypeError)
      throw new PetalfaceError("PETAL_DATA_DAMAGED", `${path}: is not UTF-8 text; expected a list of pairs`);
    throw new PetalfaceError(
      readCode(error, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED"),
      `${path}: cannot be read (${messageOf(error)}); give a file of pairs`,
      {
        cause: error,
      },
    );
  }
}

interface Parsed {
  readonly pairs: readonly NamedPair[];
  /** From 1. */
  readonly foldNumbers: ReadonlySet<number>;
}

function parseLfw(path: string, text: string): Parsed {
  const lines = text.split(/\r?\n/);
  while (lines.at(-1)?.trim() === "") lines.pop();
  const header = (lines[0] ?? "").trim().split(/\s+/).map(Number);
  const [folds, size] = header.length === 2 ? tupleOf(header, 2) : [1, itemAt(header, 0)];
  const expected = folds * size * 2;
  if (lines.length - 1 !== expected)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${path}: line 1 promises ${folds} x ${size} pairs of each kind, ${expected} in all, and ${lines.length - 1} follow`,
    );
  const pairs = lines.slice(1).map((line, index): NamedPair => {
    const where = `${path}, line ${index + 2}`;
    const genuine = Math.floor(index / size) % 2 === 0;
    const fields = line.includes("\t") ? line.trim().split("\t") : line.trim().split(/\s+/);
    if (fields.length !== (genuine ? 3 : 4))
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${where}: has ${fields.length} fields; expected ${genuine ? '"name i j"' : '"name1 i name2 j"'} here`,
      );
    const fold = Math.floor(index / (2 * size));
    const [a, i, b, j] = genuine ? [fields[0], fields[1], fields[0], fields[2]] : fields;
    if (!genuine && a === b)
      throw new PetalfaceError("PETAL_DATA_DAMAGED", `${where}: names ${a} twice; expected two people here`);
    return { first: lfwImage(where, a, i), second: lfwImage(where, b, j), same: genuine, fold };
  });
  if (header.length === 1) return dealFolds(pairs);
  return { pairs, foldNumbers: new Set(Array.from({ length: folds }, (_, fold) => fold + 1)) };
}

function lfwImage(where: string, name: string | undefined, number: string | undefined): Side {
  if (name === undefined || name === "" || number === undefined || !/^\d{1,6}$/.test(number))
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${where}: ${JSON.stringify(number)} is not an image number; expected a whole number after each name`,
    );
  return { id: `${name}/${name}_${number.padStart(4, "0")}.jpg`, person: name };
}

interface CsvRow {
  readonly info: { readonly lines: number };
  readonly record: Readonly<Record<string, string>>;
}

function parseCsv(path: string, text: string): Parsed {
  let rows: readonly CsvRow[];
  try {
    const options = {
      columns: true,
      info: true,
      bom: true,
      trim: true,
      skip_empty_lines: true,
      max_record_size: 65536,
    } as const;
    rows = parse(text, options) as unknown as readonly CsvRow[];
  } catch (error) {
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${path}: is not well-formed CSV: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const columns = rows[0]?.record ?? {};
  for (const column of ["path1", "path2", "same"])
    if (rows.length > 0 && !Object.hasOwn(columns, column))
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${path}, line 1: has no column ${column}; expected path1,path2,same[,fold][,person1,person2]`,
      );

  const folded = Object.hasOwn(columns, "fold");
  const foldNumbers = new Set<number>();
  const pairs = rows.map(({ info, record }): NamedPair => {
    const where = `${path}, line ${info.lines}`;
    const first = csvImage(where, record.path1 ?? "", record.person1);
    const second = csvImage(where, record.path2 ?? "", record.person2);
    const same = parseFlag(where, record.same ?? "");
    if (same !== (first.person === second.person))
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${where}: same is ${record.same}, but the images show ${JSON.stringify(first.person)} and ${JSON.stringify(second.person)}; ` +
          "correct it, or name the people in columns person1 and person2",
      );
    const fold = folded ? Number(record.fold || Number.NaN) : 1;
    if (!Number.isInteger(fold) || fold < 0 || fold > 1e6)
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${where}: fold is ${JSON.stringify(record.fold)}; expected a whole number from 1`,
      );
    foldNumbers.add(fold);
    return { first, second, same, fold: fold - 1 };
  });
  return folded ? { pairs, foldNumbers } : dealFolds(pairs);
}

function csvImage(where: string, path: string, person: string | undefined): Side {
  const parts = path
    .replaceAll("\\", "/")
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  if (parts.length === 0)
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${where}: a path is empty; expected two images`);
  if (/^([/\\]|[A-Za-z]:)/.test(path) || parts.includes(".."))
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${where}: ${JSON.stringify(path)} leads out of the data folder; give a path relative to it`,
    );
  const who = person || parts.slice(0, -1).join("/");
  if (who === "")
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${where}: nothing says who is on ${JSON.stringify(path)}; use a folder per person or a column person1, person2`,
    );
  return { id: nameKey(parts.join("/")), person: nameKey(who) };
}

function parseFlag(where: string, flag: string): boolean {
  if (/^(1|true|yes)$/i.test(flag)) return true;
  if (/^(0|false|no)$/i.test(flag)) return false;
  throw new PetalfaceError("PETAL_DATA_DAMAGED", `${where}: same is ${JSON.stringify(flag)}; expected 1 or 0`);
}

/**
 * Splits each kind of pair, in its order, into ten equal runs (fewer where there are fewer than ten
 * pairs of a kind).
 */
function dealFolds(pairs: readonly NamedPair[]): Parsed {
  const genuine = pairs.filter((pair) => pair.same).length;
  const folds = Math.max(1, Math.min(10, genuine, pairs.length - genuine));
  const seen = { genuine: 0, impostor: 0 };
  const dealt = pairs.map((pair) => {
    const [nth, of] = pair.same ? [seen.genuine++, genuine] : [seen.impostor++, pairs.length - genuine];
    return { ...pair, fold: Math.floor((nth * folds) / of) };
  });
  return { pairs: dealt, foldNumbers: new Set(Array.from({ length: folds }, (_, fold) => fold + 1)) };
}
