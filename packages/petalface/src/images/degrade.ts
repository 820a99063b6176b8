import { PetalfaceError } from "../errors.ts";
import { type AreaAxis, areaAxis, shrinkArea } from "./area.ts";
import { type BilinearAxis, bilinearAxis, interpolate } from "./bilinear.ts";
import {
  applyCamera,
  cameraPresets,
  drawCamera,
  type Kernel,
  mildestCamera,
  parseCamera,
  printCamera,
  resample,
} from "./camera/index.ts";
import { drawPart, splitMixture } from "./mixture.ts";
import type { Degradation, DegradationSpec, Pixels } from "./types.ts";

/** Degrades faces one after another and keeps the weights of every size that it met. */
export type Degrader = (pixels: Pixels, degradation: Degradation) => Pixels;

/** Opens a {@link Degrader}; {@link degrade} documents it. */
export function createDegrader(): Degrader {
  const resize = createResize();
  return (pixels, degradation) => {
    if (degradation.kind === "camera") return applyCamera(pixels, degradation, resize);
    const side = checkPixels(degradation.pixels);
    const { width, height } = pixels;
    if (side >= width && side >= height) return pixels;
    return resize(resize(pixels, Math.min(side, width), Math.min(side, height), "area"), width, height, "bilinear");
  };
}

/**
 * Resizing that keeps the weights of area shrinking and bilinear enlarging, which most faces need.
 */
function createResize() {
  const shrinking = new Map<string, AreaAxis>();
  const enlarging = new Map<string, BilinearAxis>();
  const kept = <Axis>(known: Map<string, Axis>, make: (from: number, to: number) => Axis, from: number, to: number) => {
    const key = `${from}>${to}`;
    const axis = known.get(key) ?? make(from, to);
    known.set(key, axis);
    return axis;
  };
  return (pixels: Pixels, width: number, height: number, kernel: Kernel): Pixels => {
    if (kernel === "area") {
      const across = kept(shrinking, areaAxis, pixels.width, width);
      return shrinkArea(pixels, across, kept(shrinking, areaAxis, pixels.height, height));
    }
    if (kernel !== "bilinear" || width < pixels.width || height < pixels.height)
      return resample(pixels, width, height, kernel);
    const across = kept(enlarging, bilinearAxis, pixels.width, width);
    return interpolate(pixels, across, kept(enlarging, bilinearAxis, pixels.height, height));
  };
}

/**
 * Degrades a face. `lr`: shrunk to `pixels` x `pixels` by averaging and enlarged back, bilinear,
 * both on 8 bits; equal to OpenCV's INTER_AREA followed by INTER_LINEAR. A face that is already
 * smaller stays as it is. `camera`: docs/degradation.md.
 */
export function degrade(pixels: Pixels, degradation: Degradation): Pixels {
  return createDegrader()(pixels, degradation);
}

/**
 * Reads the spelling of a degradation on the command line: `lr:16`, stages in the order in which
 * they are done, each a value or a range, such as
 * `blur=0-2,down=8-24:any,noise=0-10,jpeg=20-80@0.5,up=any,seed=3`, a preset (`cctv`, `phone`,
 * `night`, `any`), or several of these with their weights: `2*lr:16/phone/down=8,noise=5`
 * (docs/degradation.md).
 *
 * @throws PetalfaceError (wrong usage) for any other text
 */
export function parseDegradation(text: string): DegradationSpec {
  const spec = read(text);
  if (typeof spec === "object") return spec;
  throw new PetalfaceError(
    "PETAL_OPTION_INVALID",
    `unknown degradation ${JSON.stringify(text)}${spec === "" ? "" : `: ${spec}`}; write lr:PIXELS with at least 2, such as lr:16, stages such as down=8-24,noise=0-10,jpeg=20-80, or one of ${Object.keys(cameraPresets).join(", ")}`,
  );
}

/** The spec, or what is wrong with it; "" where nothing can be said. */
function read(text: string): DegradationSpec | string {
  const trimmed = text.trim();
  const preset = cameraPresets[trimmed];
  if (preset !== undefined && Object.hasOwn(cameraPresets, trimmed)) return read(preset);
  if (!trimmed.includes("/")) return readOne(trimmed);
  const split = splitMixture(trimmed);
  if (typeof split === "string") return split;
  const parts: { readonly share: number; readonly spec: Exclude<DegradationSpec, { kind: "mixture" }> }[] = [];
  for (const { share, text: part } of split) {
    const spec = read(part);
    if (typeof spec === "string") return spec === "" ? `"${part}" is none` : spec;
    if (spec.kind === "mixture")
      for (const inner of spec.parts) parts.push({ share: share * inner.share, spec: inner.spec });
    else parts.push({ share, spec });
  }
  return { kind: "mixture", parts };
}

function readOne(text: string): Exclude<DegradationSpec, { kind: "mixture" }> | string {
  const match = /^lr:(\d{1,5})$/.exec(text);
  const pixels = Number(match?.[1]);
  if (match !== null && pixels >= 2) return { kind: "lr", pixels };
  return text.includes("=") ? parseCamera(text) : "";
}

/** The spelling that {@link parseDegradation} reads; presets by their name. */
export function printDegradation(spec: DegradationSpec): string {
  const whole = plainly(spec);
  const preset = Object.keys(cameraPresets).find((name) => plainly(parseDegradation(name)) === whole);
  return preset ?? (spec.kind === "mixture" ? spell(spec, printDegradation) : whole);
}

/** Without any name of a preset. */
const plainly = (spec: DegradationSpec): string => spell(spec, plainly);

/** Without names of presets but those that `print` gives the parts of a mixture. */
function spell(spec: DegradationSpec, print: (part: DegradationSpec) => string): string {
  if (spec.kind === "lr") return `lr:${spec.pixels}`;
  if (spec.kind === "camera") return printCamera(spec);
  const least = Math.min(...spec.parts.map(({ share }) => share));
  return spec.parts
    .map(({ share, spec: part }) => {
      const weight = Number((share / least).toPrecision(6));
      return `${weight === 1 ? "" : `${weight}*`}${print(part)}`;
    })
    .join("/");
}

/**
 * Draws what is done to one face. It depends on the spec and the seed alone; `lr` has nothing to
 * draw.
 */
export function drawDegradation(spec: DegradationSpec, ...seed: readonly (string | number)[]): Degradation {
  if (spec.kind === "mixture") return drawDegradation(drawPart(spec, ...seed).spec, ...seed);
  return spec.kind === "lr" ? spec : drawCamera(spec, ...seed);
}

/**
 * The best that a face can fare under a spec if every stage is done to it; of several specs, under
 * the one that leaves most pixels.
 */
export function mildestDegradation(spec: DegradationSpec): Degradation {
  if (spec.kind === "lr") return spec;
  if (spec.kind === "camera") return mildestCamera(spec);
  const all = spec.parts.map((part) => mildestDegradation(part.spec));
  return all.reduce((best, each) => (pixelsLeft(each) > pixelsLeft(best) ? each : best));
}

/** The smallest side that a face has on its way. */
function pixelsLeft(degradation: Degradation): number {
  if (degradation.kind === "lr") return degradation.pixels;
  const sides = degradation.stages.flatMap(({ name, value }) => (name === "down" ? [value] : []));
  return Math.min(Number.POSITIVE_INFINITY, ...sides);
}

function checkPixels(pixels: number): number {
  if (!Number.isInteger(pixels) || pixels < 2) {
    throw new RangeError(`a degradation to ${pixels} pixels; it must be a whole number of at least 2`);
  }
  return pixels;
}
