import { createHash } from "node:crypto";
import { type Backbone, toInput } from "../../backbones/index.ts";
import type { FaceData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type Degradation, type Loader, mildestDegradation } from "../../images/index.ts";
import {
  type Calibration,
  calibrateAsPaper,
  calibrateOnScores,
  calibrateOnSet,
  isGiven,
  knowsPhotos,
  lookAtSet,
  measureOf,
  photoCalibration,
  type QualityMeasure,
  qualityGraph,
  rangeCalibration,
  type SetFindings,
} from "../../quality/index.ts";
import { random } from "../../random.ts";
import { floatsOf, openSession, type SessionOptions } from "../../runtime/index.ts";
import type { TrainingOptions } from "../options/options.ts";
import { degradationOf } from "../steps/sampler.ts";

/** How many training faces the calibration looks at. */
const faces = 512;
const rows = 32;

/** A calibration, and the kind of training faces that was found where it was fitted on them. */
export interface FittedCalibration {
  readonly calibration: Calibration;
  readonly set?: SetFindings;
}

/**
 * The quality measure's calibration: fitted on a random part of the training set, sharp and at its
 * best low resolution, or that of photos. Synthetic faces are smoother than photos, so a range
 * fitted on them would call many a low-resolution photo sharp.
 */
export async function fitCalibration(
  backbone: Backbone,
  data: FaceData,
  loader: Loader,
  options: TrainingOptions,
  session: SessionOptions,
  measure: QualityMeasure,
): Promise<FittedCalibration> {
  const { alphaRange, alphaThreshold } = options;
  const [low, high] = alphaRange;
  if (low !== undefined && high !== undefined) return { calibration: rangeCalibration(measure, low, high) };
  if (alphaThreshold !== undefined) return { calibration: calibrateAsPaper(measure, [alphaThreshold]) };
  const synthetic = data.length > 0 && data.at(0).source.kind === "synthetic";
  const known = knowsPhotos(measure.name, backbone.size);
  if (options.calibration === "photos" || (options.calibration === "auto" && synthetic && known))
    return { calibration: photoCalibration(measure, backbone.size) };
  const stream = random("calibration", options.seed);
  const chosen =
    data.length <= faces
      ? Array.from({ length: data.length }, (_, i) => i)
      : Array.from({ length: faces }, () => stream.int(data.length));
  const judge = (by: QualityMeasure) => judged(backbone, data, loader, session, by, chosen);
  const external = chosen.map((index) => data.at(index).quality ?? Number.NaN);
  const given = isGiven(measure.name);
  if (options.calibration === "paper") {
    if (given) return { calibration: calibrateAsPaper(measure, external) };
    await using scores = await judge(measure);
    const [seen = []] = finiteTogether(await scores.of(undefined));
    return { calibration: calibrateAsPaper(measure, seen) };
  }
  const worse = mildestDraw(options);
  await using details = await judge(measureOf("resolution"));
  const stored = await details.of(undefined);
  const set = lookAtSet(stored, await details.of(worse), backbone.size);
  if (given) return { calibration: calibrateOnScores(measure, external, stored, set), set };
  await using scores = await judge(measure);
  const lists = finiteTogether(await scores.of(undefined), await scores.of(worse), stored);
  const [seen = [], copies = [], detail = []] = lists;
  return { calibration: calibrateOnSet(measure, { stored: seen, copies }, detail, set), set };
}

/** Lists of scores of the same faces without the faces that any of them has no finite score of. */
function finiteTogether(...lists: readonly (readonly number[])[]): number[][] {
  return lists.map((list) => list.filter((_, face) => lists.every((other) => Number.isFinite(other[face]))));
}

/** Scores of some faces of a set by a measure, as they are or degraded. */
async function judged(
  backbone: Backbone,
  data: FaceData,
  loader: Loader,
  session: SessionOptions,
  measure: QualityMeasure,
  chosen: readonly number[],
) {
  const { graph, score } = qualityGraph(backbone, measure);
  const engine = await openSession(graph, session);
  return {
    async of(degrade: Degradation | undefined): Promise<number[]> {
      const all: number[] = [];
      for (let start = 0; start < chosen.length; start += rows) {
        const part = chosen.slice(start, start + rows);
        const planes = await loader.load(
          part.map((index) => ({ source: data.at(index).source, flip: false, degrade, face: index })),
        );
        const image = toInput(planes, part.length, part.length, backbone.size, backbone.spec);
        all.push(...floatsOf(await engine.run({ [backbone.input]: image }), score));
      }
      return all;
    },
    [Symbol.asyncDispose]: () => engine.close(),
  };
}

/** The best that a degraded training face can look. */
export function mildestDraw(options: Pick<TrainingOptions, "degrade" | "lrPixels">): Degradation {
  const spec = degradationOf(options);
  return spec === undefined ? { kind: "lr", pixels: Math.max(...options.lrPixels) } : mildestDegradation(spec);
}

/**
 * SHA-256 of the scores that came with a set, hex.
 *
 * @throws PetalfaceError that counts and names faces without one
 */
export function hashScores(data: FaceData): string {
  const hash = createHash("sha256");
  let missing = 0;
  let first = "";
  const block = new Float32Array(4096);
  for (let start = 0; start < data.length; start += block.length) {
    const count = Math.min(block.length, data.length - start);
    for (let i = 0; i < count; i++) {
      const { id, quality } = data.at(start + i);
      block[i] = quality ?? Number.NaN;
      if (quality !== undefined) continue;
      if (missing++ === 0) first = id;
    }
    hash.update(new Uint8Array(block.buffer, 0, 4 * count));
  }
  if (missing > 0)
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `'quality=external' takes each face's score from the column quality of a manifest, and ${missing} of ${data.length} faces of ${data.spec} have none, the first is ${first}; fill the column, or choose another 'quality'`,
    );
  return hash.digest("hex");
}
