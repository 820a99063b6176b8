import type { FaceData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type Random, random } from "../../random.ts";
import type { PairList } from "../results/types.ts";
import { buildPairList, type NamedPair, type Side } from "./pairs.ts";

/**
 * Images of one person beyond these are not drawn, so that one album does not fill the protocol.
 */
const imagesPerPerson = 20;

/** How many pairs to draw, and how. */
export interface SyntheticPairsOptions {
  /** Wanted number of pairs, both kinds together; fewer come out where the data has fewer. */
  readonly pairs?: number;
  readonly folds?: number;
  readonly seed?: number;
}

/**
 * Draws a pairs protocol from any data with identities: people are split into disjoint folds, and
 * each fold gets as many genuine as impostor pairs, no pair twice, the people in turn. Same data,
 * options and seed: same protocol.
 *
 * @throws PetalfaceError if the data names no people, or not enough of them with two images (two a
 * fold).
 */
export function syntheticPairs(data: FaceData, options: SyntheticPairsOptions = {}): PairList {
  const { pairs: wanted = 2000, folds = 10, seed = 1 } = options;
  if (!Number.isInteger(folds) || folds < 2)
    throw new PetalfaceError("PETAL_OPTION_UNFIT", `folds is ${folds}; expected a whole number from 2`);
  if (!Number.isInteger(wanted) || wanted < 2 * folds)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `pairs is ${wanted}; expected a whole number from ${2 * folds}, two a fold`,
    );
  const next = random(seed);

  const albums = new Map<number, Side[]>();
  for (let index = 0; index < data.length; index++) {
    const { id, person } = data.at(index);
    if (person < 0) continue;
    const side = { id, person: data.people[person] ?? String(person) };
    const album = albums.get(person);
    if (album === undefined) albums.set(person, [side]);
    else album.push(side);
  }
  const people = next.shuffle([...albums.values()]).map((album) => next.shuffle(album).slice(0, imagesPerPerson));
  const several = people.filter((album) => album.length > 1);
  if (several.length < 2 * folds)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${data.spec}: has ${several.length} people with two images or more; ${folds} folds need ${2 * folds}: add images or ask for fewer folds`,
    );
  const parts = Array.from({ length: folds }, (_, fold) => [
    ...several.filter((_album, index) => index % folds === fold),
    ...people.filter((album) => album.length === 1).filter((_album, index) => index % folds === fold),
  ]);

  const named = parts.flatMap((albumsOfFold, fold): NamedPair[] => {
    const share =
      Math.floor(((fold + 1) * Math.floor(wanted / 2)) / folds) - Math.floor((fold * Math.floor(wanted / 2)) / folds);
    const genuine = drawGenuine(albumsOfFold, share, next);
    const impostor = drawImpostor(albumsOfFold, genuine.length, next);
    return [
      ...genuine.slice(0, impostor.length).map(([first, second]) => ({ first, second, same: true, fold })),
      ...impostor.map(([first, second]) => ({ first, second, same: false, fold })),
    ];
  });
  return buildPairList(`${data.spec}, pairs drawn with seed ${seed}`, named);
}

type Two = readonly [Side, Side];

/** One pair of each person in turn, again and again, until there are enough or none is left. */
function drawGenuine(albums: readonly Side[][], count: number, next: Random): Two[] {
  const left = albums.map((album) =>
    next.shuffle(album.flatMap((first, i) => album.slice(i + 1).map((second): Two => [first, second]))),
  );
  const drawn: Two[] = [];
  for (let before = -1; drawn.length < count && drawn.length !== before; ) {
    before = drawn.length;
    for (const pairs of left) {
      const pair = pairs.pop();
      if (pair !== undefined && drawn.length < count) drawn.push(pair);
    }
  }
  return drawn;
}

function drawImpostor(albums: readonly Side[][], count: number, next: Random): Two[] {
  const used = new Set<string>();
  const drawn: Two[] = [];
  for (let attempt = 0; drawn.length < count && attempt < 50 * count; attempt++) {
    const a = next.int(albums.length);
    const b = next.int(albums.length);
    const first = next.pick(albums[a] ?? []);
    const second = next.pick(albums[b] ?? []);
    const key = JSON.stringify([first.id, second.id].sort());
    if (a === b || used.has(key)) continue;
    used.add(key);
    drawn.push([first, second]);
  }
  return drawn;
}
