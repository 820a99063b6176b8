import { createHash } from "node:crypto";
import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import { readIntegers } from "../integers.ts";
import type { Unreadable } from "../unreadable.ts";
import { readHead } from "./heads.ts";
import { choose, chooseLabels, type Keys, keysBetween, placesWhere, sortKeys, sortPlaces } from "./keys.ts";
import { readRanges } from "./ranges.ts";
import { type Damage, isListHead, noteDamage, readLabels, type WalkOptions, walk } from "./scan.ts";
import type { Window } from "./window.ts";

/** The images of a record file, by ascending key; some 16 bytes each. */
export interface RecordIndex {
  readonly keys: Uint32Array;
  /** Where each record begins in the file. */
  readonly offsets: Float64Array;
  /** Person of each, or -1. */
  readonly person: Int32Array;
  readonly people: readonly string[];
  readonly fingerprint: string;
  readonly unreadable: Unreadable;
}

/** A record file and how it is looked at. */
export interface RecordFile {
  readonly path: string;
  /** For walks through the file. */
  readonly window: Window;
  /** For single places. */
  readonly look: Window;
}

/**
 * Lists the images of a record file. With a `.idx` whose record 0 says where the people are
 * (insightface's layout), only those people's records are read; otherwise every record's head is.
 *
 * @param idx the `.idx` next to it, if there is one
 * @throws PetalfaceError where nothing is an image
 */
export async function indexRecords(
  file: RecordFile,
  idx: string | undefined,
  options: WalkOptions,
): Promise<{ readonly index: RecordIndex /** Whether all of the file was read for it. */; readonly walked: boolean }> {
  const damage: Damage = { count: 0, first: [] };
  const found =
    idx === undefined ? await indexWithout(file, damage, options) : await indexWith(file, idx, damage, options);
  const { keys, offsets } = found.images;
  const unreadable = { count: damage.count, tried: keys.length + damage.count, first: damage.first };
  const name = printPath(file.path);
  if (keys.length === 0)
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `${name} holds no images${damage.first[0] ? `; ${damage.first[0]}` : ""}`,
    );
  const { person, people } = found;
  const hash = createHash("sha256").update(JSON.stringify(["recordio", file.window.size, people]));
  for (const array of [keys, offsets, person]) hash.update(array);
  return {
    index: { keys, offsets, person, people, unreadable, fingerprint: hash.digest("hex") },
    walked: found.walked,
  };
}

interface Found {
  readonly images: Keys;
  readonly person: Int32Array;
  readonly people: readonly string[];
  readonly walked: boolean;
}

async function indexWith(file: RecordFile, idx: string, damage: Damage, options: WalkOptions): Promise<Found> {
  const { path, window, look } = file;
  const [keys, offsets] = await readIntegers(idx, [Uint32Array, Float64Array]);
  const all = sortKeys({ keys, offsets }, (key) => {
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(idx)} lists record ${key} twice`);
  });
  if (all.keys.length === 0) throw new PetalfaceError("PETAL_DATA_MISSING", `${printPath(idx)} lists no records`);
  const head = all.keys[0] === 0 ? await readHead(look, itemAt(all.offsets, 0)) : undefined;
  const lists = head !== undefined && typeof head !== "string" && isListHead(head) ? head : undefined;
  const inside = withoutLost(lists === undefined ? all : keysBetween(all, 1, lists.label), file, damage);
  if (lists !== undefined) {
    const person = await readRanges(window, look, inside, keysBetween(all, lists.label, lists.second));
    if (person !== undefined) {
      const people = Array.from({ length: lists.second - lists.label }, (_, at) => String(at));
      return { images: inside, person, people, walked: false };
    }
  }
  const { labels, damaged } = await readLabels(window, path, inside, damage, options);
  const kept = damaged.includes(1) ? placesWhere(damaged, (flag) => flag === 0) : undefined;
  const images = kept === undefined ? inside : choose(inside, kept);
  return {
    images,
    ...nameLabels(kept === undefined ? labels : chooseLabels(labels, kept)),
    walked: true,
  };
}

async function indexWithout({ path, window }: RecordFile, damage: Damage, options: WalkOptions): Promise<Found> {
  const { offsets, labels, ids, lists } = await walk(window, path, damage, options);
  // Where ids are the keys of the lost index, as MXNet's tools write them, they order the images;
  // otherwise the file does.
  const last = lists === undefined ? Number.POSITIVE_INFINITY : lists.label;
  const unique = new Set(ids).size === ids.length && ids.every((id) => id < 2 ** 32);
  const order = placesWhere(ids, (id) => !unique || id < last);
  if (unique) sortPlaces(order, ids);
  const images = choose(
    { keys: Uint32Array.from(unique ? ids : ids.keys()), offsets: Float64Array.from(offsets) },
    order,
  );
  return { images, ...nameLabels(chooseLabels(Float32Array.from(labels), order)), walked: true };
}

/**
 * People from labels, in the order of the numbers. A label below 0, or none, is an unknown person.
 */
function nameLabels(labels: Float32Array): Pick<Found, "person" | "people"> {
  const known = [...new Set(labels)].filter((label) => label >= 0).sort((one, other) => one - other);
  const rank = new Map(known.map((label, at) => [label, at]));
  return { person: Int32Array.from(labels, (label) => rank.get(label) ?? -1), people: known.map(String) };
}

/** Leaves out what the file is too short for, as one that was not copied to its end. */
function withoutLost(images: Keys, { path, window }: RecordFile, damage: Damage): Keys {
  const isLost = (offset: number): boolean => offset >= window.size;
  if (!images.offsets.some(isLost)) return images;
  const reason = `it lies past the end of the file (${window.size} bytes); is the file complete?`;
  for (const key of choose(images, placesWhere(images.offsets, isLost)).keys)
    noteDamage(damage, path, `record ${key}`, reason);
  return choose(
    images,
    placesWhere(images.offsets, (offset) => !isLost(offset)),
  );
}
