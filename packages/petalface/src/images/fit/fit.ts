import { PetalfaceError } from "../../errors.ts";
import { random } from "../../random.ts";
import type { CameraSpec, StageRange } from "../camera/index.ts";
import { drawDegradation, parseDegradation } from "../degrade.ts";
import type { Loader } from "../loader.ts";
import type { DegradationSpec, ImageSource } from "../types.ts";
import { describedSize, describeFace, distanceTo, isGrey } from "./describe.ts";
import { searchCube } from "./search.ts";

/** How long a fit looks for the best spec. */
export interface FitEffort {
  /** Faces that each trial degrades. */
  readonly faces: number;
  /** Trials a round, and rounds. */
  readonly population: number;
  readonly rounds: number;
}

const usualEffort: FitEffort = { faces: 32, population: 20, rounds: 12 };

/** What a camera's crops are fitted with. */
export interface FitRequest {
  /** Crops of the camera, aligned, of people without names. */
  readonly crops: readonly ImageSource[];
  /** Sharp aligned faces of any people, which are degraded until they look like the crops. */
  readonly faces: readonly ImageSource[];
  /** Prepares faces at {@link describedSize}; with memory for the decoded faces it is faster. */
  readonly loader: Loader;
  readonly seed?: number | undefined;
  /** How long it looks; {@link usualEffort} unless given. */
  readonly effort?: FitEffort | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the share of the work that is done. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/** A fitted camera. */
export interface FittedCamera {
  readonly spec: CameraSpec;
  /** Distance of the simulated from the real crops ({@link distanceTo}). */
  readonly distance: number;
  /** That of the cameras by name, for comparison. */
  readonly presets: Readonly<Record<string, number>>;
  /**
   * Crops and faces that were looked at, and what two halves of the crops are apart: what chance
   * alone makes.
   */
  readonly crops: number;
  readonly faces: number;
  readonly chance: number;
}

/** With fewer crops their distribution is chance. */
export const fewestFittedCrops = 40;

/** Most crops that are described. */
const mostCrops = 400;

/** One number that is searched for: from 0 to 1, and what that means. */
interface Knob {
  readonly name: string;
  readonly value: (x: number) => number;
}

const linear = (name: string, low: number, high: number): Knob => ({ name, value: (x) => low + x * (high - low) });
const geometric = (name: string, low: number, high: number): Knob => ({
  name,
  value: (x) => low * (high / low) ** x,
});

const knobs: readonly Knob[] = [
  geometric("side", 8, 48),
  geometric("span", 1, 3.5),
  linear("blur", 0, 1.6),
  linear("noise", 0, 24),
  linear("sharpen", 0, 2.4),
  linear("quality", 15, 98),
  geometric("gamma", 1, 2.2),
  linear("enlarged", 0, 3),
];

/** Kernels that enlarge the face, by the whole part of the knob: they leave other frequencies. */
const enlarging: readonly CameraSpec["up"][] = [["bilinear"], ["bilinear", "bicubic"], ["bicubic"]];

const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));

/** The spec of a point of the cube. Stages and kernels are those of the cameras by name. */
function specOf(point: readonly number[], grey: number): CameraSpec {
  const of = (name: string): number => {
    const at = knobs.findIndex((knob) => knob.name === name);
    return knobs[at]?.value(point[at] ?? 0) ?? Number.NaN;
  };
  const stage = (name: StageRange["name"], low: number, high: number, share = 1): StageRange => ({
    name,
    low,
    high,
    share,
    ...(name === "down" && { kernels: ["area", "bilinear"] as const }),
  });
  const [side, span, gamma] = [of("side"), Math.sqrt(of("span")), of("gamma")];
  const [least, largest] = [Math.max(4, Math.round(side / span)), Math.min(112, Math.round(side * span))];
  const quality = Math.round(of("quality"));
  const stages = [
    stage("jitter", 0, 6),
    stage("gamma", rounded(1 / gamma), rounded(gamma)),
    stage("down", least, largest),
    stage("blur", 0, rounded(of("blur"))),
    stage("noise", 0, rounded(of("noise"), 1)),
    stage("sharpen", 0, rounded(of("sharpen"))),
    stage("jpeg", quality, Math.min(100, quality + 20)),
    // Crops without colour have no colour in their noise either.
    ...(grey > 0 ? [stage("grey", 1, 1, grey)] : []),
  ];
  const up = enlarging[Math.min(Math.floor(of("enlarged")), enlarging.length - 1)] ?? ["bilinear"];
  return { kind: "camera", stages, up, seed: 0 };
}

/**
 * Estimates what a camera does to faces from its crops: resolution, blur, noise, sharpening, JPEG,
 * contrast and grey. Sharp faces are degraded by one spec after the other, until the distributions
 * of their frequencies and colours are those of the crops. The alignment error leaves no trace
 * there: it is that of the cameras by name.
 *
 * @throws PetalfaceError where there are fewer than {@link fewestFittedCrops} crops, or too few
 * faces
 */
export async function fitCamera({
  crops,
  faces,
  loader,
  seed = 0,
  effort = usualEffort,
  signal,
  onProgress,
}: FitRequest): Promise<FittedCamera> {
  if (loader.size !== describedSize)
    throw new RangeError(`the loader prepares ${loader.size} px, not ${describedSize}`);
  if (crops.length < fewestFittedCrops)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${crops.length} crops of the camera; a fit takes at least ${fewestFittedCrops}, better some hundreds`,
    );
  if (faces.length === 0) throw new PetalfaceError("PETAL_DATA_UNFIT", "a fit takes sharp faces to degrade");
  const real = await describe(pick(crops, mostCrops, "crops", seed), undefined, loader);
  const models = pick(faces, effort.faces, "faces", seed);
  const distance = distanceTo(real);
  const trial = async (spec: DegradationSpec, draws: readonly number[]): Promise<number> => {
    signal?.throwIfAborted();
    const made: Float64Array[] = [];
    for (const draw of draws) made.push(...(await describe(models, { spec, draw }, loader)));
    return distance(made);
  };
  const grey = rounded(real.filter(isGrey).length / real.length);
  const shareOfGrey = grey < 0.02 ? 0 : grey > 0.98 ? 1 : grey;
  const total = effort.rounds * effort.population + 1;
  let done = 0;
  const { point } = await searchCube(
    async (points) => {
      const found: number[] = [];
      for (const each of points) {
        // The same draws for all points, so that they differ by their specs alone.
        found.push(await trial(specOf(each, shareOfGrey), [0]));
        onProgress?.(++done / total);
      }
      return found;
    },
    { dimensions: knobs.length, seed, elite: Math.ceil(effort.population / 4), ...effort },
  );
  const spec = specOf(point, shareOfGrey);
  const presets: Record<string, number> = {};
  // What is reported is measured on other draws than those that the search saw.
  const fresh = [1, 2, 3];
  for (const name of ["phone", "cctv", "night"]) presets[name] = await trial(parseDegradation(name), fresh);
  const halves = [0, 1].map((half) => real.filter((_, at) => at % 2 === half));
  return {
    spec,
    presets,
    crops: real.length,
    faces: models.length,
    distance: await trial(spec, fresh),
    chance: distanceTo(halves[0] ?? [])(halves[1] ?? []),
  };
}

/** Some of a list, spread by chance over all of it. */
function pick<T>(list: readonly T[], count: number, name: string, seed: number): readonly T[] {
  if (list.length <= count) return list;
  const order = random("fit", name, seed).shuffle(list.map((_, at) => at));
  return order.slice(0, count).flatMap((at) => list[at] ?? []);
}

/** Descriptions of faces, as they are or under one draw each of a spec. */
async function describe(
  sources: readonly ImageSource[],
  degraded: { readonly spec: DegradationSpec; readonly draw: number } | undefined,
  loader: Loader,
): Promise<Float64Array[]> {
  const planes = await loader.load(
    sources.map((source, at) => ({
      source,
      flip: false,
      degrade: degraded && drawDegradation(degraded.spec, "fit", degraded.draw, at),
      face: degraded && at,
    })),
  );
  const bytes = 3 * describedSize ** 2;
  return sources.map((_, at) => describeFace(planes.subarray(at * bytes, (at + 1) * bytes)));
}
