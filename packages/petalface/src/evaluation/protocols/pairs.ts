import { createHash } from "node:crypto";
import { itemAt } from "onnx-grad";
import { type FaceData, nameKey } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { PairList, ProtocolImage, ProtocolPair, ProtocolSummary } from "../results/types.ts";
import { defaultFars } from "../statistics/summary.ts";
import { range } from "./places.ts";
import type { Fusion, Protocol } from "./types.ts";

/** One side of a pair before images are numbered. */
export interface Side {
  readonly id: string;
  readonly person: string;
}

/** A pair as a file or a generator names it. */
export interface NamedPair {
  readonly first: Side;
  readonly second: Side;
  readonly same: boolean;
  /** From 0. */
  readonly fold: number;
}

/**
 * Numbers images and people in the order of their first appearance and adds the rank-1 part: the
 * first image of each person is the gallery, all their others are probes. Folds are renumbered to
 * 0, 1, ... without holes.
 *
 * @throws PetalfaceError if fewer than two folds are left, if genuine or impostor pairs are
 * missing, or if one image is listed with two people.
 * @param guessed whether the people are those that the pairs connect, because they are not named:
 * then there is no rank-1 part
 */
export function buildPairList(name: string, named: readonly NamedPair[], guessed = false): PairList {
  const people = new Map<string, number>();
  const images: ProtocolImage[] = [];
  const imageOf = new Map<string, number>();
  const folds = new Map<number, number>(
    [...new Set(named.map((p) => p.fold))].sort((a, b) => a - b).map((f, i) => [f, i]),
  );

  const number = (side: Side): number => {
    const name = nameKey(side.person);
    const id = nameKey(side.id);
    const person = people.get(name) ?? people.set(name, people.size).size - 1;
    const known = imageOf.get(id);
    if (known !== undefined) {
      if (images[known]?.person !== person)
        throw new PetalfaceError(
          "PETAL_DATA_UNFIT",
          `${name}: ${side.id} is listed with two people; give each image one person`,
        );
      return known;
    }
    imageOf.set(id, images.length);
    return images.push({ id, person }) - 1;
  };
  const pairs: ProtocolPair[] = named.map((pair) => ({
    first: number(pair.first),
    second: number(pair.second),
    same: pair.same,
    fold: folds.get(pair.fold) ?? 0,
  }));

  const genuine = pairs.filter((p) => p.same).length;
  if (genuine === 0 || genuine === pairs.length)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${name}: has ${genuine} pairs of one person and ${pairs.length - genuine} of two; both kinds are needed`,
    );
  if (folds.size < 2)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${name}: has one fold only; two are needed, since thresholds are chosen on the others`,
    );

  const gallery: number[] = [];
  const probes: number[] = [];
  const enrolled = new Set<number>();
  // A stranger in the gallery may be the probe's own person under another guessed name.
  if (!guessed)
    images.forEach((image, index) => {
      (enrolled.has(image.person) ? probes : gallery).push(index);
      enrolled.add(image.person);
    });

  const hash = createHash("sha256");
  for (const image of images) hash.update(JSON.stringify([image.id, image.person]));
  for (const pair of pairs) hash.update(JSON.stringify([pair.first, pair.second, pair.same, pair.fold]));
  return {
    kind: "pairs",
    name,
    people: [...people.keys()],
    images,
    pairs,
    folds: folds.size,
    gallery,
    probes,
    fingerprint: hash.digest("hex"),
    ...(guessed && { guessed }),
  };
}

/** For people: what intervals of a protocol are over, and how far they can be relied on. */
export function printIntervals({ guessed }: Pick<ProtocolSummary, "guessed">): string {
  return guessed
    ? "95 % intervals over people, who are guessed from the pairs: one person may count as several, so they may be too narrow"
    : "95 % intervals over people";
}

/**
 * A list of pairs as a protocol: its images are found in a set, and each is an item. Pairs are
 * verified as given, both degraded and one of each; where the list names people, the first image of
 * each is enrolled and all others are searched for.
 *
 * @param fusion what is done with the mirror image; nothing unless given
 * @throws PetalfaceError naming how many images are missing and the first of them
 */
export function protocolOfPairs(list: PairList, data: FaceData, fusion: Fusion = "none"): Protocol {
  const { images, pairs } = list;
  const comparison = {
    name: "sharp",
    first: Int32Array.from(pairs, (pair) => pair.first),
    second: Int32Array.from(pairs, (pair) => pair.second),
    same: Uint8Array.from(pairs, (pair) => (pair.same ? 1 : 0)),
    fold: Int32Array.from(pairs, (pair) => pair.fold),
  };
  const search = { probes: Int32Array.from(list.probes), gallery: Int32Array.from(list.gallery) };
  return {
    kind: list.kind,
    name: list.name,
    fingerprint: list.fingerprint,
    data,
    faces: findImages(list, data),
    item: range(0, images.length),
    items: images.map(({ id }) => id),
    person: Int32Array.from(images, ({ person }) => person),
    people: list.people.length,
    names: list.people,
    guessed: list.guessed,
    folds: list.folds,
    comparisons: [comparison],
    searches: list.gallery.length === 0 ? [] : [{ name: "sharp", ...search, firstOfEach: true }],
    choice: { fars: defaultFars, ranks: [1], fpirs: [], fpirRanks: [1] },
    fusion,
    digest: "face",
    degradable: "all",
  };
}

const withoutExtension = (id: string): string => id.replace(/\.[^./]*$/, "");
/**
 * How images are looked up, whatever separates folders and in whatever Unicode form they are
 * written.
 */
const keyOf = (id: string): string => nameKey(id.replaceAll("\\", "/"));

/**
 * Finds every image of a list in a data set. Where no id matches, the same id with another
 * extension does (LFW's list says `.jpg`, a copy of the photos may be `.png`).
 *
 * @returns for each of the list's images its index in the data.
 * @throws PetalfaceError naming how many images are missing and the first of them.
 */
export function findImages(protocol: PairList, data: FaceData): Int32Array {
  const exact = new Map(protocol.images.map((image, index) => [keyOf(image.id), index]));
  const byStem = new Map(protocol.images.map((image, index) => [withoutExtension(keyOf(image.id)), index]));
  const found = new Int32Array(protocol.images.length).fill(-1);
  const loose = new Int32Array(protocol.images.length).fill(-1);
  for (let index = 0; index < data.length; index++) {
    const id = keyOf(data.at(index).id);
    const image = exact.get(id);
    if (image !== undefined) found[image] = index;
    const similar = byStem.get(withoutExtension(id));
    if (similar !== undefined && loose[similar] === -1) loose[similar] = index;
  }
  let missing = 0;
  let example = "";
  for (let image = 0; image < found.length; image++) {
    if (found[image] === -1) found[image] = itemAt(loose, image);
    if (found[image] === -1 && missing++ === 0) example = protocol.images[image]?.id ?? "";
  }
  if (missing > 0)
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `${protocol.name}: ${missing} of ${found.length} images are not in ${data.spec}, the first is ${JSON.stringify(example)}; ` +
        "give the folder that the list's paths start from",
    );
  return found;
}
