import { table } from "../skeleton/page.ts";

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

/** Numbers of a row. */
export function rowOf(
  model: string,
  consumer: string,
  adapted: Float32Array | string,
  frozen: Float32Array | string,
  here: { readonly data: Float32Array; readonly alpha: Float32Array },
  width: number,
): Row {
  const row = { model, consumer };
  const known = unsupported[`${model}, ${consumer}`];
  if (known !== undefined) return { ...row, error: known, passes: undefined };
  if (typeof adapted === "string") return { ...row, error: adapted, passes: false };
  if (typeof frozen === "string") return { ...row, error: frozen, passes: false };
  const [there, before, own] = [unit(adapted, width), unit(frozen, width), unit(here.data, width)];
  const cosines = Array.from(here.alpha, (_, face) => dot(there, own, face * width, width));
  const isSharp = (face: number): boolean => here.alpha[face] === 1;
  const least = (wanted: boolean): number => Math.min(...cosines.filter((_, face) => isSharp(face) === wanted));
  const differences = there.map((value, i) => Math.abs(value - before[i]));
  const apart = Math.max(...differences.filter((_, i) => isSharp(Math.floor(i / width))));
  const [sharp, degraded] = [least(true), least(false)];
  const passes = Math.min(sharp, degraded) >= leastCosine && apart <= mostApart;
  return { ...row, sharp, degraded, apart, passes: consumer === ownPrecision ? undefined : passes };
}

function unit(data: Float32Array, width: number): Float32Array {
  const out = data.slice();
  for (let start = 0; start < out.length; start += width) {
    const row = out.subarray(start, start + width);
    const length = Math.hypot(...row);
    row.forEach((value, i) => {
      row[i] = value / length;
    });
  }
  return out;
}

function dot(a: Float32Array, b: Float32Array, start: number, width: number): number {
  let sum = 0;
  for (let i = start; i < start + width; i++) sum += a[i] * b[i];
  return sum;
}

/** The page's text and table. */
export function renderConsumers(rows: readonly Row[], faces: number, adapter: string): string {
  const verdict = (row: Row): string => (row.passes === undefined ? "no bar" : row.passes ? "yes" : "**no**");
  const cells = rows.map((row) =>
    row.error === undefined
      ? [
          ...[row.model, row.consumer, row.sharp?.toFixed(7) ?? "", row.degraded?.toFixed(7) ?? ""],
          ...[row.apart?.toExponential(1) ?? "", verdict(row)],
        ]
      : [row.model, row.consumer, row.error, "", "", verdict(row)],
  );
  return `Each product's own code opens the file of \`export --for\` and embeds ${faces} LFW faces as they are and ${faces} at 12 and 16 px;
one thread; adapter: ${adapter}. Immich and Frigate are not packages: their contract is written again in
bench/consumers/consumers.py. Least cosine with petalface's own embedding, of faces with alpha 1 and of the others (bar:
${leastCosine}). Last: the largest difference of any number of a unit-length embedding of a face with alpha 1 from that of the
frozen model's file in the same product (bar: ${mostApart}). OpenVINO by default computes in bfloat16 on processors that have
it (AMX), and then no bar holds: alpha is rounded too.

${table(["model", "consumer", "alpha 1", "alpha below 1", "apart", "passes"], cells)}`;
}
