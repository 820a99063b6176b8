import { open, realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { itemAt } from "onnx-grad";
import { PetalfaceError, readCode } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import { refusePlaceholderAt } from "../../placeholder.ts";
import { indexFolder, mayKeep, type ScanOptions } from "../listing/cached.ts";
import { readKept, writeKept } from "../listing/kept.ts";
import { createNames, namesOf } from "../listing/names.ts";
import { createStamps, unchanged } from "../listing/stamps.ts";
import type { FaceData } from "../types.ts";
import { requireMost } from "../unreadable.ts";
import { compactRecords } from "./compact.ts";
import { indexRecords, type RecordIndex } from "./index-records.ts";
import { openWindow } from "./window.ts";

/** Read at once on a walk through the file, and at a single place. */
const [walkBytes, lookBytes] = [1 << 20, 1 << 12];

/**
 * Opens MXNet's RecordIO: `X.rec`, with or without `X.idx` next to it. No image is read before it
 * is needed, then by its position.
 *
 * @throws PetalfaceError where the file is something else, holds no images, or more than 5 % of
 * them are damaged
 */
export async function openRecords(spec: string, options: ScanOptions): Promise<FaceData> {
  const path = resolve(spec);
  const idx = path.replace(/\.rec$/i, ".idx");
  const hasIdx = (await stat(idx).catch(() => undefined))?.isFile() === true;
  const index = await keptIndex(path, hasIdx ? idx : undefined, options);
  requireMost(printPath(path), index.unreadable, options.mostLeftOut);
  return { ...dataOfRecords(spec, path, index), mostLeftOut: options.mostLeftOut };
}

function dataOfRecords(spec: string, path: string, index: RecordIndex): FaceData {
  const { people, fingerprint, unreadable } = index;
  // The list itself is given up here: a set of millions is open as long as the run lasts.
  const { length, keyAt, offsetAt, personAt } = compactRecords(index);
  return {
    spec,
    length,
    people,
    fingerprint,
    skipped: 0,
    unreadable,
    at(at) {
      if (!(Number.isInteger(at) && at >= 0 && at < length)) throw new RangeError(`sample ${at} of ${length}`);
      const number = keyAt(at);
      const source = { kind: "record", path, offset: offsetAt(at), number } as const;
      return { id: String(number), person: personAt(at), source };
    },
  };
}

/**
 * Reads the list of images, or takes the one kept of a file that had to be read through. It is true
 * while both files have their times.
 */
async function keptIndex(path: string, idx: string | undefined, options: ScanOptions): Promise<RecordIndex> {
  const folder = indexFolder(options);
  const key = `records:${await realpath(path)}`;
  if (folder !== false) {
    const kept = await readIndex(folder, key, idx);
    if (kept !== undefined) return kept;
  }
  await refusePlaceholderAt(path, printPath(path));
  const started = Date.now();
  const stamps = createStamps();
  stamps.add(path);
  if (idx !== undefined) stamps.add(idx);
  const { index, walked } = await scan(path, idx, options);
  const taken = stamps.finish();
  if (folder !== false && walked && mayKeep(options, index.keys.length, taken, started)) {
    const { keys, offsets, person, fingerprint, unreadable } = index;
    const people = createNames();
    for (const name of index.people) people.push(name);
    const { bytes, ends } = people.finish();
    await writeKept(folder, key, { fingerprint, unreadable, hasIdx: idx !== undefined } satisfies Head, [
      taken.times,
      taken.paths.bytes,
      taken.paths.ends,
      keys,
      offsets,
      person,
      bytes,
      ends,
    ]).catch(() => {});
  }
  return index;
}

interface Head extends Pick<RecordIndex, "fingerprint" | "unreadable"> {
  readonly hasIdx: boolean;
}

async function readIndex(folder: string, key: string, idx: string | undefined): Promise<RecordIndex | undefined> {
  const kept = await readKept<Head>(folder, key);
  if (kept === undefined || kept.head.hasIdx !== (idx !== undefined)) return undefined;
  const section = (at: number): ArrayBuffer => itemAt(kept.sections, at);
  const names = (at: number) => namesOf(new Uint8Array(section(at)), new Uint32Array(section(at + 1)));
  if (!unchanged({ times: new Float64Array(section(0)), paths: names(1) })) return undefined;
  const people = names(6);
  return {
    fingerprint: kept.head.fingerprint,
    unreadable: kept.head.unreadable,
    keys: new Uint32Array(section(3)),
    offsets: new Float64Array(section(4)),
    person: new Int32Array(section(5)),
    people: Array.from({ length: people.length }, (_, at) => people.at(at)),
  };
}

async function scan(path: string, idx: string | undefined, options: ScanOptions) {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    throw new PetalfaceError(
      readCode(cause, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED"),
      `cannot read ${printPath(path)}: ${cause.code}`,
      { cause },
    );
  });
  try {
    const { size } = await file.stat();
    const [window, look] = [openWindow(file, size, walkBytes), openWindow(file, size, lookBytes)];
    return await indexRecords({ path, window, look }, idx, options);
  } finally {
    await file.close();
  }
}
