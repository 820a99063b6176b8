import { random } from "../../random.ts";
import type { CameraDegradation, CameraSpec, Kernel, Stage, StageName, StageRange } from "./types.ts";

/** What may be written for a stage, and which of its values changes a face least. */
export interface StageRule {
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
  /** The value that changes nothing, or the one that changes least. */
  readonly mild: number;
  readonly unit: string;
}

/**
 * All stages. Lengths are in pixels of the face as the stage gets it, so after `down` in pixels of
 * the small face.
 */
export const stageRules: Readonly<Record<StageName, StageRule>> = {
  down: { least: 2, most: 4096, whole: true, mild: 4096, unit: "side in pixels" },
  blur: { least: 0, most: 64, whole: false, mild: 0, unit: "sigma in pixels" },
  defocus: { least: 0, most: 64, whole: false, mild: 0, unit: "radius in pixels" },
  motion: { least: 0, most: 128, whole: false, mild: 0, unit: "length in pixels" },
  turbulence: { least: 0, most: 32, whole: false, mild: 0, unit: "root mean square shift in pixels" },
  noise: { least: 0, most: 128, whole: false, mild: 0, unit: "sigma in grey levels" },
  shot: { least: 0, most: 128, whole: false, mild: 0, unit: "sigma at white in grey levels" },
  gamma: { least: 0.1, most: 10, whole: false, mild: 1, unit: "exponent" },
  sharpen: { least: 0, most: 10, whole: false, mild: 0, unit: "strength" },
  jitter: { least: 0, most: 50, whole: false, mild: 0, unit: "per cent of the side" },
  grey: { least: 0, most: 1, whole: false, mild: 0, unit: "share of the colour that is lost" },
  ir: { least: 0, most: 20, whole: false, mild: 0, unit: "fall of the lamp's light" },
  jpeg: { least: 1, most: 100, whole: true, mild: 100, unit: "quality" },
  h264: { least: 0, most: 51, whole: true, mild: 0, unit: "quantisation parameter" },
};

const downKernels: readonly Kernel[] = ["area", "bilinear", "bicubic", "nearest", "lanczos"];
const upKernels: readonly Kernel[] = ["bilinear", "bicubic", "nearest", "lanczos"];
const mostStages = 32;

const item = /^([a-z0-9]+)=(\d{1,6}(?:\.\d{1,6})?)(?:-(\d{1,6}(?:\.\d{1,6})?))?(?::([a-z+]+))?(?:@(\d?\.?\d{1,6}))?$/;

/**
 * Reads `down=8-24:area+bicubic,noise=0-10,jpeg=20-80@0.5,up=any,seed=3`.
 *
 * @returns the spec, or a line that says what is wrong
 */
export function parseCamera(text: string): CameraSpec | string {
  const stages: StageRange[] = [];
  let up: readonly Kernel[] = ["bilinear"];
  let seed = 0;
  for (const part of text.split(",").map((each) => each.trim())) {
    const [name = "", value = ""] = part.split("=");
    if (name === "up") {
      const kernels = parseKernels(value, upKernels);
      if (kernels === undefined) return `"${part}": up takes ${upKernels.join(", ")}, several joined by +, or any`;
      up = kernels;
    } else if (name === "seed") {
      if (!/^\d{1,9}$/.test(value)) return `"${part}": the seed is a whole number of at most nine digits`;
      seed = Number(value);
    } else {
      const stage = parseStage(part);
      if (typeof stage === "string") return stage;
      stages.push(stage);
    }
  }
  if (stages.length === 0) return "it does nothing to a face";
  if (stages.length > mostStages) return `it has ${stages.length} stages; ${mostStages} are the most`;
  return { kind: "camera", stages, up, seed };
}

function parseStage(part: string): StageRange | string {
  const match = item.exec(part);
  const name = match?.[1] ?? "";
  if (match === null || !isStage(name))
    return `"${part}" is not a stage; write NAME=VALUE or NAME=LOW-HIGH with a name of ${Object.keys(stageRules).join(", ")}`;
  const { least, most, whole, unit } = stageRules[name];
  const low = Number(match[2]);
  const high = Number(match[3] ?? match[2]);
  if (low < least || high > most || low > high || (whole && !(Number.isInteger(low) && Number.isInteger(high))))
    return `"${part}": ${name} is a ${whole ? "whole number" : "number"} from ${least} to ${most} (${unit}), LOW not above HIGH`;
  const share = Number(match[5] ?? 1);
  if (!(share > 0 && share <= 1)) return `"${part}": the share of faces behind @ is above 0 and at most 1`;
  if (name !== "down") {
    if (match[4] !== undefined) return `"${part}": only down and up take kernels`;
    return { name, low, high, share };
  }
  const kernels = parseKernels(match[4] ?? "area", downKernels);
  if (kernels === undefined) return `"${part}": down takes ${downKernels.join(", ")}, several joined by +, or any`;
  return { name, low, high, kernels, share };
}

const isStage = (name: string): name is StageName => Object.hasOwn(stageRules, name);

function parseKernels(text: string, known: readonly Kernel[]): readonly Kernel[] | undefined {
  if (text === "any") return known;
  const kernels = text.split("+").map((name) => known.find((kernel) => kernel === name));
  return kernels.every((kernel) => kernel !== undefined) ? kernels : undefined;
}

/** The spelling that {@link parseCamera} reads; what it would assume anyway is left out. */
export function printCamera({ stages, up, seed }: CameraSpec): string {
  const kernels = (list: readonly Kernel[], known: readonly Kernel[]): string =>
    list.join() === known.join() ? "any" : list.join("+");
  const parts = stages.map(({ name, low, high, kernels: down = ["area"], share }) => {
    const range = low === high ? `${low}` : `${low}-${high}`;
    const how = down.join() === "area" ? "" : `:${kernels(down, downKernels)}`;
    return `${name}=${range}${how}${share === 1 ? "" : `@${share}`}`;
  });
  if (up.join() !== "bilinear") parts.push(`up=${kernels(up, upKernels)}`);
  if (seed !== 0) parts.push(`seed=${seed}`);
  return parts.join();
}

/**
 * Draws one face's degradation. The same spec and seed give the same one, everywhere and in every
 * thread.
 */
export function drawCamera(spec: CameraSpec, ...seed: readonly (string | number)[]): CameraDegradation {
  const stream = random("degradation", spec.seed, ...seed);
  const stages: Stage[] = [];
  for (const { name, low, high, kernels, share } of spec.stages) {
    // Drawn whether needed or not, so that a stage's share changes no other stage.
    const done = stream.uniform() < share;
    const place = stream.uniform();
    const value = stageRules[name].whole ? low + Math.floor(place * (high - low + 1)) : low + place * (high - low);
    const kernel = kernels === undefined ? {} : { kernel: stream.pick(kernels) };
    if (done) stages.push({ name, value, ...kernel });
  }
  return { kind: "camera", stages, up: stream.pick(spec.up), seed: stream.uint32() };
}

/**
 * The least that a spec does to a face that it does anything to: every stage at its mildest value.
 */
export function mildestCamera(spec: CameraSpec): CameraDegradation {
  const stages = spec.stages.map(({ name, low, high, kernels }): Stage => {
    const value = Math.min(Math.max(stageRules[name].mild, low), high);
    return { name, value, ...(kernels?.[0] && { kernel: kernels[0] }) };
  });
  return { kind: "camera", stages, up: spec.up[0] ?? "bilinear", seed: 0 };
}
