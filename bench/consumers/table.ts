import { normaliseRows } from "petalface/matching";
import { dot, rowAt } from "../skeleton/linear.ts";

/** Cosine with petalface's own embedding that every face must reach. */
const leastCosine = 0.9999;
/**
 * Most that a number of a sharp face's embedding (at unit length) may differ between the adapted
 * and the frozen file.
 */
const mostApart = 1e-5;

/** One consumer on one model. */
export interface Row {
  readonly model: string;
  readonly consumer: string;
  /** What its code raised, if anything. */
  readonly error?: string;
  /** Least cosine of its embeddings with petalface's: of faces with alpha 1, and of the others. */
  readonly sharp?: number;
  readonly degraded?: number;
  /** Least cosine with the embedding at the exact alpha, of a file whose alpha is rounded. */
  readonly rounded?: number;
  /** Largest difference of a sharp embedding from the frozen file's in the same consumer. */
  readonly apart?: number;
  /** Undefined where no bar holds: the consumer rounds to less than float32 by its own choice. */
  readonly passes: boolean | undefined;
}

/** OpenVINO computes in bfloat16 on processors that have it, unless its caller asks for float32. */
const ownPrecision = "openvino, its default";

/** What a consumer cannot run in any form: its own file of the model fails there too. */
const unsupported: Readonly<Record<string, string>> = {
  "edgeface_xs, opencv classic": "OpenCV's classic engine crashes on the model's own file too",
};

/** Embeddings by petalface itself, and alpha of each face. */
export interface Embedded {
  readonly data: Float32Array;
  readonly alpha: Float32Array;
}

/** What one consumer made of the faces; a text: what its code raised. */
export interface Made {
  readonly adapted: Float32Array | string;
  readonly frozen: Float32Array | string;
  /** What the file should give: at the rounded alpha, where it has levels. */
  readonly own: Embedded;
  /** Petalface's embeddings at the exact alpha. */
  readonly exact: Embedded;
}

/** Numbers of a row. */
export function rowOf(
  row: { readonly model: string; readonly consumer: string },
  { adapted, frozen, own, exact }: Made,
  width: number,
): Row {
  const known = unsupported[`${row.model}, ${row.consumer}`];
  if (known !== undefined) return { ...row, error: known, passes: undefined };
  if (typeof adapted === "string") return { ...row, error: adapted, passes: false };
  if (typeof frozen === "string") return { ...row, error: frozen, passes: false };
  const [there, before] = [normaliseRows(adapted, width), normaliseRows(frozen, width)];
  const cosines = (to: Embedded): number[] => {
    const here = normaliseRows(to.data, width);
    return Array.from(exact.alpha, (_, face) => dot(rowAt(there, width, face), rowAt(here, width, face)));
  };
  const isSharp = (face: number): boolean => exact.alpha[face] === 1;
  const least = (all: readonly number[], wanted: boolean): number =>
    Math.min(...all.filter((_, face) => isSharp(face) === wanted));
  const differences = there.map((value, i) => Math.abs(value - before[i]));
  const apart = Math.max(...differences.filter((_, i) => isSharp(Math.floor(i / width))));
  const all = cosines(own);
  const [sharp, degraded] = [least(all, true), least(all, false)];
  const passes = Math.min(sharp, degraded) >= leastCosine && apart <= mostApart;
  return {
    ...row,
    sharp,
    degraded,
    apart,
    passes: row.consumer === ownPrecision ? undefined : passes,
    ...(own !== exact && { rounded: least(cosines(exact), false) }),
  };
}

/** What the page says above its table. */
export const aboutConsumers = (faces: number, adapter: string, levels: number): string => `
Each product's own code opens the file of \`export --for\` and embeds ${faces} LFW faces as they are and ${faces} at 12 and 16 px;
adapter: ${adapter}. insightface's FaceAnalysis loads a pack with a detector. DeepFace, Immich and Frigate are not installed: their contract is
written again in bench/consumers/consumers.py. Least cosine with petalface's own embedding, of faces with alpha 1 and of the others (bar: ${leastCosine}).
Files with alpha in ${levels} levels are compared at the rounded alpha; the column "rounded" has their least cosine with the embedding at the exact alpha.
Last: the largest difference of any number of a unit-length embedding of a face with alpha 1 from that of the frozen model's file in the
same product (bar: ${mostApart}). OpenVINO by default computes in bfloat16 on processors that have it (AMX), and then no bar holds: alpha is
rounded too.`;

/** The table of results. */
export function renderConsumers(rows: readonly Row[]): string {
  const number = (value: number | undefined): string => value?.toFixed(7) ?? "";
  const cell = (row: Row): string =>
    row.error === undefined
      ? [
          ...[row.sharp, row.degraded, row.rounded].map(number),
          row.apart?.toExponential(1),
          row.passes === undefined ? "no bar" : row.passes ? "yes" : "**no**",
        ].join(" | ")
      : `${row.error} | | | | ${row.passes === undefined ? "no bar" : "**no**"}`;
  return `| model | consumer | alpha 1 | alpha below 1 | rounded | apart | passes |
| --- | --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row.model} | ${row.consumer} | ${cell(row)} |`).join("\n")}`;
}
