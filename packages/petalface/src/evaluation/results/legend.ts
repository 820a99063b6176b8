import { hasCopies, isRank, keepsGallery } from "./condition.ts";
import { percent } from "./percent.ts";
import type { EvaluationResult, FaceResolution, Identical, Measure } from "./types.ts";

/** `62 px of detail (90 % between 48 and 75)`. */
const detailOf = ({ median, low, high }: FaceResolution): string =>
  `${median.toFixed(0)} px of detail (90 % between ${low.toFixed(0)} and ${high.toFixed(0)})`;

/**
 * What the faces have that nothing was done to:
 * `gallery 62 px of detail (...), probes 14 px of detail (...)`; undefined where not measured.
 */
export function printResolution({ resolution = [] }: Pick<EvaluationResult, "resolution">): string | undefined {
  if (resolution.length === 0) return undefined;
  return resolution
    .map((part) => {
      const name = part.condition === undefined ? part.role : `${part.role} of ${part.condition}`;
      return `${name} ${detailOf(part)}${part.sharp ? ", which is sharp" : ""}`;
    })
    .join("; ");
}

/**
 * What to call faces as given: `sharp faces` where all were measured to be, else with the detail
 * that those searched for or compared have.
 */
export function givenFaces({ resolution = [] }: Pick<EvaluationResult, "resolution">): string {
  if (resolution.length > 0 && resolution.every(({ sharp }) => sharp)) return "sharp faces";
  const subject = resolution.find(({ role }) => role !== "gallery");
  return subject === undefined ? "faces as given" : `faces as given (${subject.median.toFixed(0)} px)`;
}

/** Per cent to one digit, rounded down: only all is 100. */
const down = (share: number): string => percent(Math.floor(share * 1000 + 1e-9) / 1000, 1);

/**
 * The share of embeddings whose bits an adapter left alone: of all faces, and of those with alpha
 * 1.
 */
export function printIdentical({ images, pairs, atAlphaOne }: Identical, count?: number): string {
  const one =
    atAlphaOne === undefined
      ? ""
      : atAlphaOne.count === 0
        ? "; no face has alpha 1"
        : `; ${down(atAlphaOne.images)} % of the ${atAlphaOne.count.toLocaleString("en")} with alpha 1`;
  const both = pairs === undefined ? "" : `; ${down(pairs)} % of the pairs`;
  return `embeddings as given with the very same bits: ${down(images)} % of all${count === undefined ? "" : ` ${count.toLocaleString("en")}`}${one}${both}`;
}

/** One line under a table: what its words mean, as far as the table has them. */
export function legendOf(
  measures: readonly Pick<Measure, "kind" | "condition" | "rank">[],
  results: readonly Pick<EvaluationResult, "resolution">[],
): string {
  const has = (test: (measure: (typeof measures)[number]) => boolean): boolean => measures.some(test);
  const kind = (name: Measure["kind"]): boolean => has((measure) => measure.kind === name);
  const detail = results.map(printResolution).find((text) => text !== undefined);
  const specs = measures.flatMap(({ condition }) => ("degradation" in condition ? [condition.degradation] : []));
  const [sign, how] = specs.every((spec) => /^lr:\d+$/.test(spec))
    ? ["k", "shrunk to k x k px"]
    : ["x", "degraded by x"];
  const ranks = has(({ kind: k, rank }) => k === "rank" && rank !== undefined);
  const degradedProbes = has((measure) => isRank(measure.kind) && measure.condition.kind === "mixed");
  const words = [
    has(({ condition }) => condition.kind === "sharp") &&
      `as given: faces as they are in the data${detail === undefined ? "" : `, ${detail}`}`,
    has(({ condition }) => condition.kind === "lr") && `LR ${sign}: both faces ${how}`,
    has((measure) => !isRank(measure.kind) && measure.condition.kind === "mixed") &&
      `mixed ${sign}: one face as given, the other ${how}`,
    kind("rank1") && "rank-1: probes whose own person comes first in the gallery",
    ranks && "rank-5 and so on: among the first 5",
    degradedProbes && `rank-1 ${sign}: probes ${how}, gallery as given`,
    has(({ condition }) => hasCopies(condition)) &&
      "copies: enrolled faces together with low-resolution copies of themselves",
    has(({ condition }) => keepsGallery(condition)) &&
      "gallery kept: enrolled faces keep the embeddings of the frozen model",
    kind("tpir") && "TPIR@x: probes that are found where x of the strangers raise an alarm",
    kind("tar") && "TAR@x: pairs of one person that are accepted where x of the others are",
  ].filter((text) => text !== false);
  return [...words, "± half the 95 % interval"].join("; ");
}
