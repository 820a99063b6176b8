import { normaliseRows } from "../matching/portable.ts";
import type { EnrolledVectors } from "./types.ts";

/**
 * How the faces of a person answer a search: the nearest one, their mean, or their mean weighted by
 * quality.
 */
export const templateRules = ["best", "mean", "quality"] as const;

/** One of {@link templateRules}. */
export type TemplateRule = (typeof templateRules)[number];

/**
 * The rule unless another is asked for: the best one with poor photos enrolled
 * (bench/results/decisions-fold6.md).
 */
export const defaultTemplateRule: TemplateRule = "mean";

/**
 * What a probe is compared with: rows of two parts, `sharp` and `copies`. The template of a row for
 * a weight w is unit(sharp + w copies), so its cosine with a probe follows from two products and
 * three numbers, whatever w is.
 */
export interface Templates {
  readonly width: number;
  readonly count: number;
  /** How many faces they are made of. */
  readonly faces: number;
  /** `count x 2 x width`: of each row its sharp part, then its copies'. */
  readonly rows: Float32Array;
  /** Of each row |sharp|^2, sharp . copies and |copies|^2. */
  readonly squares: Float64Array;
  /** Id of the person, one a row. */
  readonly people: Int32Array;
}

/**
 * Weight of a face among others of its person, by its alpha: a poor one counts an eighth of a sharp
 * one.
 */
export const qualityWeight = (alpha: number): number => 0.125 + 0.875 * Math.min(1, Math.max(0, alpha));

/**
 * Templates of all people of a gallery, a row a face (`best`) or a row a person, in the order of
 * ids.
 */
export function buildTemplates(
  { width, people, vectors, copies, alpha }: EnrolledVectors,
  rule: TemplateRule,
): Templates {
  const units = normaliseRows(vectors, width);
  const owners = rule === "best" ? people : Int32Array.from(new Set(people.toSorted()));
  const rowOf = new Map(rule === "best" ? [] : [...owners].map((person, row) => [person, row]));
  const rows = new Float32Array(owners.length * 2 * width);
  people.forEach((person, face) => {
    const row = rowOf.get(person) ?? face;
    const weight = rule === "quality" ? qualityWeight(alpha[face]) : 1;
    const to = 2 * row * width;
    for (let at = 0; at < width; at++) {
      rows[to + at] += weight * units[face * width + at];
      rows[to + width + at] += weight * copies[face * width + at];
    }
  });
  return { width, count: owners.length, faces: people.length, rows, squares: squaresOf(rows, width), people: owners };
}

function squaresOf(rows: Float32Array, width: number): Float64Array {
  const count = rows.length / (2 * width);
  const out = new Float64Array(3 * count);
  for (let row = 0; row < count; row++) {
    let [sharp, mixed, small] = [0, 0, 0];
    const from = 2 * row * width;
    for (let at = from; at < from + width; at++) {
      const [one, other] = [rows[at], rows[at + width]];
      sharp += one * one;
      mixed += one * other;
      small += other * other;
    }
    out.set([sharp, mixed, small], 3 * row);
  }
  return out;
}

/**
 * Length of sharp + weight copies of one row; 1 where it is zero, which then is similar to no
 * person.
 */
export function templateLength({ squares }: Templates, row: number, weight: number): number {
  const [sharp, mixed, small] = [squares[3 * row], squares[3 * row + 1], squares[3 * row + 2]];
  return Math.sqrt(sharp + 2 * weight * mixed + weight * weight * small) || 1;
}
