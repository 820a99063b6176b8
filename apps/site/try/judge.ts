import type { Pixels } from "petalface/portable";

/**
 * Side at which quality is measured. Recognisers with another input get their alpha from the file
 * alone.
 */
export const judgedSide = 112;

/** Measures that need no weights, so that the site can bring them. */
export const judgedMeasures = ["resolution", "sharpness"] as const;

/** A measure of {@link judgedMeasures}. */
export type JudgedMeasure = (typeof judgedMeasures)[number];

/** How a file makes alpha of a score: 0 at `low`, 1 at `high`, linear between. */
export interface Rule {
  readonly measure: JudgedMeasure;
  readonly low: number;
  readonly high: number;
}

/**
 * The rule in a file's metadata; undefined where it has none, or one that this page does not
 * compute.
 */
export function ruleOf(metadata: ReadonlyMap<string, string>): Rule | undefined {
  const text = metadata.get("petalface.calibration");
  if (text === undefined) return undefined;
  const found = JSON.parse(text) as { measure?: string; kind?: string; low?: number; high?: number };
  const measure = judgedMeasures.find((name) => name === found.measure);
  const { kind = "linear", low, high } = found;
  if (measure === undefined || kind !== "linear" || low === undefined || high === undefined) return undefined;
  return { measure, low, high };
}

/** Alpha of a score. */
export const alphaOf = ({ low, high }: Rule, score: number): number =>
  Math.min(1, Math.max(0, (score - low) / (high - low)));

/** A score with its unit. */
export const printScore = (measure: JudgedMeasure, score: number): string =>
  measure === "resolution" ? `${score.toFixed(1)} px` : score.toFixed(2);

/** The planes that a quality file takes: R, G, B, each from 0 to 255. */
export function planesOf({ width, height, data }: Pixels): Float32Array {
  const area = width * height;
  return Float32Array.from({ length: 3 * area }, (_, at) => data[3 * (at % area) + Math.floor(at / area)] ?? 0);
}
