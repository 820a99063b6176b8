import type { ThresholdComparisons } from "../../deploy/index.ts";
import { findImages, type PairList } from "../../evaluation/index.ts";
import { pairScores } from "../../matching/index.ts";
import type { Faces } from "./embed.ts";

/** Two faces for each comparison. */
interface Pairs {
  readonly first: Int32Array;
  readonly second: Int32Array;
}

/** Every two faces. */
export function compareAll(faces: Faces): ThresholdComparisons {
  const { data, left } = faces;
  const used = Int32Array.from(Array(data.length).keys()).filter((face) => !left.has(face));
  const count = (used.length * (used.length - 1)) / 2;
  const [first, second] = [new Int32Array(count), new Int32Array(count)];
  let at = 0;
  for (let a = 0; a < used.length; a++)
    for (let b = a + 1; b < used.length; b++, at++) {
      first[at] = used[a];
      second[at] = used[b];
    }
  return compare(faces, { first, second }, (face) => data.at(face).person);
}

/** The pairs of a protocol whose faces have embeddings. */
export function comparePairs(faces: Faces, protocol: PairList): ThresholdComparisons {
  const places = findImages(protocol, faces.data);
  const personOf = new Map<number, number>();
  protocol.images.forEach(({ person }, image) => {
    personOf.set(places[image], person);
  });
  const used = protocol.pairs.filter((pair) =>
    [pair.first, pair.second].every((image) => !faces.left.has(places[image])),
  );
  const first = Int32Array.from(used, (pair) => places[pair.first]);
  const second = Int32Array.from(used, (pair) => places[pair.second]);
  return compare(faces, { first, second }, (face) => personOf.get(face) ?? -1);
}

function compare(
  { data, rows, alpha }: Faces,
  { first, second }: Pairs,
  personOf: (face: number) => number,
): ThresholdComparisons {
  const width = rows.length / data.length;
  const people = Int32Array.from({ length: data.length }, (_, face) => personOf(face));
  const scores = pairScores(rows, rows, width, first, second);
  const lower = (face: number, at: number): number => Math.min(alpha[face], alpha[second[at]]);
  const [left, right] = [first.map((face) => people[face]), second.map((face) => people[face])];
  const same = Uint8Array.from(left, (person, at) => (person === right[at] ? 1 : 0));
  return { scores, same, first: left, second: right, alpha: Float32Array.from(first, lower) };
}
