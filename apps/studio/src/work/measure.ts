import { bootstrap, type Estimate, estimate, holm, pValue, tailP } from "petalface/portable";
import type { StudioPlan } from "../plan.ts";
import type { Run } from "./engine.ts";
import { type Faces, planesOf } from "./faces.ts";
import { inputOf, unit } from "./train.ts";

/** One number of both networks and their difference, each with its 95 % interval over people. */
export interface Comparison {
  readonly what: string;
  readonly frozen: Estimate;
  readonly adapted: Estimate;
  readonly difference: Estimate;
  /** Of the difference, corrected for all measures (Holm). */
  readonly corrected: number;
}

/** What the adapter changed on faces that were not trained on. */
export interface Measured {
  readonly people: number;
  readonly kind: Faces["kind"];
  readonly comparisons: readonly Comparison[];
  /** Share of the sharp embeddings that have the very same bits in both networks. */
  readonly sameBits: number;
}

const resamples = 1000;

/**
 * Measures both networks on the held-out faces. `frozen` and `adapted` have a batch of the plan's
 * size.
 */
export async function measure(plan: StudioPlan, faces: Faces, frozen: Run, adapted: Run): Promise<Measured> {
  const people = faces.held.length;
  const own = faces.kind === "pictures";
  const sides = {
    gallery: faces.held.map(({ gallery }) => gallery),
    probe: faces.held.map(({ probe }) => probe),
  };
  const embed = (run: Run, side: keyof typeof sides, lr?: number): Promise<Float32Array[]> =>
    embedAll(
      plan,
      sides[side].map((pixels) => ({ pixels, degrade: lr === undefined ? undefined : { kind: "lr", pixels: lr } })),
      run,
    );
  const sharp = { frozen: await embed(frozen, "gallery"), adapted: await embed(adapted, "gallery") };
  const target = own ? sharp.frozen : await embed(frozen, "probe");
  const measures: Measure[] = [];
  for (const lr of plan.measured) {
    const low = { frozen: await embed(frozen, "probe", lr), adapted: await embed(adapted, "probe", lr) };
    const found = (side: "frozen" | "adapted") => ranksFirst(low[side], sharp[side]);
    const near = (side: "frozen" | "adapted") => low[side].map((row, person) => dot(unit(row), unit(target[person])));
    measures.push(
      compare(`${lr} px face finds ${own ? "its own picture" : "its person"} first`, found("frozen"), found("adapted")),
      compare(`${lr} px face is like itself sharp (cosine)`, near("frozen"), near("adapted")),
    );
  }
  const same = sharp.frozen.filter((row, person) => sameBits(row, sharp.adapted[person])).length;
  const corrected = holm(measures.map(({ p }) => p));
  const comparisons = measures.map(({ p: _, ...measure }, at) => ({ ...measure, corrected: corrected[at] }));
  return { people, kind: faces.kind, comparisons, sameBits: same / people };
}

async function embedAll(plan: StudioPlan, faces: Parameters<typeof planesOf>[0], run: Run): Promise<Float32Array[]> {
  const { size, width, input, output } = plan.model;
  const rows = plan.options.batch;
  const all: Float32Array[] = [];
  for (let start = 0; start < faces.length; start += rows) {
    const part = faces.slice(start, start + rows);
    const full = Array.from({ length: rows }, (_, i) => part[i % part.length]);
    const result = (await run({ [input]: inputOf(plan, planesOf(full, size), rows) }))[output];
    part.forEach((_, row) => {
      all.push(result.slice(row * width, (row + 1) * width));
    });
  }
  return all;
}

/** 1 where a probe's own gallery face is nearer than everybody else's; ties are lost. */
function ranksFirst(probes: readonly Float32Array[], gallery: readonly Float32Array[]): number[] {
  const units = gallery.map(unit);
  return probes.map((probe, person) => {
    const scores = units.map((row) => dot(unit(probe), row));
    const own = scores[person];
    return scores.every((score, other) => other === person || score < own) ? 1 : 0;
  });
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i], 0);

function sameBits(a: Float32Array, b: Float32Array): boolean {
  return a.every((value, i) => Object.is(value, b[i]));
}

/** A comparison before its p value is corrected. */
type Measure = Omit<Comparison, "corrected"> & { readonly p: number };

function compare(what: string, frozen: readonly number[], adapted: readonly number[]): Measure {
  const mean = (values: readonly number[], weights: Int32Array): number => {
    let [sum, total] = [0, 0];
    values.forEach((value, person) => {
      sum += value * weights[person];
      total += weights[person];
    });
    return sum / total;
  };
  const rows = bootstrap(frozen.length, { resamples, seed: 1 }, (weights) => {
    const [a, b] = [mean(frozen, weights), mean(adapted, weights)];
    return [a, b, b - a];
  }) as [Float64Array, Float64Array, Float64Array];
  const difference = estimate(rows[2]);
  const p = tailP(pValue(rows[2]), difference.value, difference.standardError, resamples);
  return { what, frozen: estimate(rows[0]), adapted: estimate(rows[1]), difference, p };
}
