import { PetalfaceError } from "../errors.ts";
import { normaliseRows } from "../matching/index.ts";

/** A linear map between two embedding spaces. */
export interface LinearMap {
  readonly from: number;
  readonly to: number;
  /** `to x from`, row-major. */
  readonly weights: Float64Array;
}

/** What a map loses, measured on faces that it was not fitted on. */
export interface MapLoss {
  /** Faces that it was fitted and measured on, each part in turn. */
  readonly faces: number;
  /** Faces that it could have been fitted on. */
  readonly available: number;
  /** Mean cosine of mapped embeddings with those that the new model makes. */
  readonly cosine: number;
  /** The lowest twentieth lies below this. */
  readonly lowCosine: number;
  /** Share of mapped faces whose nearest embedding of the new model is their own. */
  readonly rank1: number;
}

/** Faces that both models have embedded: rows of one person each, in the same order. */
export interface FacesOfBoth {
  readonly old: Float32Array;
  readonly oldWidth: number;
  readonly next: Float32Array;
  readonly nextWidth: number;
  /** How many there are, where these were drawn among more. */
  readonly available?: number | undefined;
}

/** Fewer faces say too little of a map, and of what it loses. */
export const fewestFaces = 50;
/** More faces change little, and take long. */
export const mostFaces = 4000;
/** Keeps directions that few faces have from growing: this share of the mean square of a number. */
const ridge = 0.05;
/** Parts that are left out in turn when the loss is measured. */
const parts = 5;

/**
 * Fits the map that takes unit embeddings of one model nearest to those of another: least squares
 * with a penalty on large weights.
 *
 * @param rows which faces it is fitted on
 */
export function fitLinearMap({ old, oldWidth, next, nextWidth }: FacesOfBoth, rows: readonly number[]): LinearMap {
  const [inputs, targets] = [normaliseRows(old, oldWidth), normaliseRows(next, nextWidth)];
  const squares = new Float64Array(oldWidth * oldWidth);
  const products = new Float64Array(oldWidth * nextWidth);
  for (const row of rows)
    for (let i = 0; i < oldWidth; i++) {
      const value = inputs[row * oldWidth + i];
      if (value === 0) continue;
      for (let j = 0; j <= i; j++)
        squares[i * oldWidth + j] = squares[i * oldWidth + j] + value * inputs[row * oldWidth + j];
      for (let j = 0; j < nextWidth; j++)
        products[i * nextWidth + j] = products[i * nextWidth + j] + value * targets[row * nextWidth + j];
    }
  const penalty = (ridge * rows.length) / oldWidth;
  for (let i = 0; i < oldWidth; i++) squares[i * oldWidth + i] = squares[i * oldWidth + i] + penalty;
  factorise(squares, oldWidth);
  const weights = new Float64Array(nextWidth * oldWidth);
  const column = new Float64Array(oldWidth);
  for (let j = 0; j < nextWidth; j++) {
    for (let i = 0; i < oldWidth; i++) column[i] = products[i * nextWidth + j];
    solve(squares, oldWidth, column);
    weights.set(column, j * oldWidth);
  }
  return { from: oldWidth, to: nextWidth, weights };
}

/**
 * Cholesky's factor of a symmetric positive matrix, of which only the lower half is read and
 * written.
 */
function factorise(matrix: Float64Array, size: number): void {
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j];
      for (let k = 0; k < j; k++) sum -= matrix[i * size + k] * matrix[j * size + k];
      matrix[i * size + j] = i === j ? Math.sqrt(sum) : sum / matrix[j * size + j];
    }
}

/** Solves for one right side, in place. */
function solve(factor: Float64Array, size: number, column: Float64Array): void {
  for (let i = 0; i < size; i++) {
    let sum = column[i];
    for (let k = 0; k < i; k++) sum -= factor[i * size + k] * column[k];
    column[i] = sum / factor[i * size + i];
  }
  for (let i = size - 1; i >= 0; i--) {
    let sum = column[i];
    for (let k = i + 1; k < size; k++) sum -= factor[k * size + i] * column[k];
    column[i] = sum / factor[i * size + i];
  }
}

/** Maps one embedding; its length is that of the sum, not 1. */
export function applyMap({ from, to, weights }: LinearMap, vector: Float32Array): Float32Array {
  return Float32Array.from({ length: to }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < from; i++) sum += weights[j * from + i] * vector[i];
    return sum;
  });
}

/**
 * Fits a map on all faces, and measures what it loses on a fifth of them at a time, with a map
 * fitted on the others.
 *
 * @throws PetalfaceError where fewer than 50 faces are at hand
 */
export function measuredMap(faces: FacesOfBoth): { readonly map: LinearMap; readonly loss: MapLoss } {
  const { old, oldWidth, next, nextWidth } = faces;
  const all = next.length / nextWidth;
  if (all < fewestFaces)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `a map between the two models needs at least ${fewestFaces} faces with pictures, and ${all} are at hand; give more pictures with 'data'`,
    );
  const step = Math.max(1, all / mostFaces);
  const rows = Array.from({ length: Math.min(all, mostFaces) }, (_, at) => Math.floor(at * step));
  const targets = normaliseRows(next, nextWidth);
  const inputs = normaliseRows(old, oldWidth);
  const cosines: number[] = [];
  let hits = 0;
  for (let part = 0; part < parts; part++) {
    const out = rows.filter((_, at) => at % parts === part);
    const map = fitLinearMap(
      faces,
      rows.filter((_, at) => at % parts !== part),
    );
    for (const row of out) {
      const mapped = normaliseRows(applyMap(map, inputs.subarray(row * oldWidth, (row + 1) * oldWidth)), nextWidth);
      const cosineWith = (other: number): number => {
        let sum = 0;
        for (let at = 0; at < nextWidth; at++) sum += mapped[at] * targets[other * nextWidth + at];
        return sum;
      };
      const own = cosineWith(row);
      cosines.push(own);
      if (!rows.some((other) => other !== row && cosineWith(other) >= own)) hits++;
    }
  }
  cosines.sort((a, b) => a - b);
  const loss = {
    faces: rows.length,
    available: faces.available ?? all,
    cosine: cosines.reduce((sum, value) => sum + value, 0) / cosines.length,
    lowCosine: cosines[Math.floor(0.05 * cosines.length)] ?? Number.NaN,
    rank1: hits / rows.length,
  };
  return { map: fitLinearMap(faces, rows), loss };
}
