import { bootstrap, type Estimate, estimate } from "petalface/evaluation";
import { type CopyWeight, copyWeights, type EnrolledFaces, normaliseRows } from "petalface/matching";

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
  const { width, sharp, copies } = gallery;
  const people = sharp.length / width;
  const units = normaliseRows(probes.rows, width, "probe");
  const weights = copyWeights(weight, probes.person.length, probes.alpha);
  const product = (a: Float32Array, i: number, b: Float32Array, j: number): number => {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += a[i * width + k] * b[j * width + k];
    return sum;
  };
  const across = Float64Array.from({ length: people }, (_, row) => product(sharp, row, copies, row));
  const length = Float64Array.from({ length: people }, (_, row) => product(copies, row, copies, row));
  const scores = new Float32Array(probes.person.length * people);
  for (let probe = 0; probe < probes.person.length; probe++) {
    const w = weights[probe];
    for (let row = 0; row < people; row++) {
      const norm = Math.sqrt(1 + 2 * w * across[row] + w * w * length[row]);
      const cosine = product(units, probe, sharp, row) + (w === 0 ? 0 : w * product(units, probe, copies, row));
      scores[probe * people + row] = cosine / norm;
    }
  }
  return scores;
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
