import { bootstrap, type Estimate, estimate } from "petalface/evaluation";
import { type CopyWeight, copyPairScores, copyWeights, type EnrolledFaces, normaliseRows } from "petalface/matching";

/** Embedded probes: row i is of the person in the gallery's row `person[i]`. */
export interface Probes {
  readonly rows: Float32Array;
  readonly person: Int32Array;
  readonly alpha: Float32Array | undefined;
}

/** What a set of probes reaches against a gallery of one template a person. */
export interface Found {
  /** Share of the probes whose person has the highest score. */
  readonly rank1: Estimate;
  /** Share of the genuine scores above the score that 1 % of the impostor scores exceed. */
  readonly tar: Estimate;
}

/** Largest share of false accepts. */
const far = 0.01;

/**
 * Scores `probes x gallery`: cosine of the probe and unit(photo + w copies), w by the probe where
 * it follows alpha.
 */
export function scoresOf(gallery: EnrolledFaces, probes: Probes, weight: CopyWeight): Float32Array {
  const { width, sharp } = gallery;
  const people = sharp.length / width;
  const count = probes.person.length;
  const all = Int32Array.from({ length: count * people }, (_, at) => at);
  const pairs = { enrolled: all.map((at) => at % people), probe: all.map((at) => Math.floor(at / people)) };
  const units = normaliseRows(probes.rows, width, "probe");
  return copyPairScores(gallery, units, copyWeights(weight, count, probes.alpha), pairs);
}

/** Rank-1 and true accepts of a matrix of scores. */
export function rate(scores: Float32Array, person: Int32Array, people: number, resamples = 500): Found {
  const first = Uint8Array.from(person, (own, probe) => {
    const row = scores.subarray(probe * people, (probe + 1) * people);
    return row.every((score, other) => other === own || score < row[own]) ? 1 : 0;
  });
  const impostors = Uint32Array.from(scores.keys()).filter((at) => person[Math.floor(at / people)] !== at % people);
  impostors.sort((a, b) => scores[b] - scores[a]);
  // Which person each impostor score counts with, best score first: a resample is one pass over its
  // head.
  const owner = Int32Array.from(impostors, (at) => person[Math.floor(at / people)]);
  const rows = bootstrap(people, { resamples, seed: 1 }, (drawn) => {
    let weight = 0;
    let right = 0;
    person.forEach((own, probe) => {
      weight += drawn[own];
      right += drawn[own] * first[probe];
    });
    const allowed = far * weight * (people - 1);
    let passed = 0;
    let at = 0;
    while (at < owner.length && passed + drawn[owner[at]] <= allowed) passed += drawn[owner[at++]];
    const threshold = at < owner.length ? scores[impostors[at]] : Number.NEGATIVE_INFINITY;
    let accepted = 0;
    person.forEach((own, probe) => {
      if (scores[probe * people + own] > threshold) accepted += drawn[own];
    });
    return [right / weight, accepted / weight];
  });
  const [rank1, tar] = rows.map(estimate);
  return { rank1, tar };
}
