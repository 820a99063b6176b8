import { type Backbone, toInput } from "../backbones/index.ts";
import type { FaceData } from "../data/index.ts";
import { type Degradation, type Loader, mildestDegradation } from "../images/index.ts";
import {
  type Calibration,
  calibrate,
  calibrateAsPaper,
  knowsPhotos,
  photoCalibration,
  type QualityMeasure,
  qualityGraph,
  rangeCalibration,
} from "../quality/index.ts";
import { random } from "../random.ts";
import { floatsOf, openSession, type SessionOptions } from "../runtime/index.ts";
import { degradationOf } from "./degradation.ts";
import type { TrainingOptions } from "./options.ts";

/** How many training faces the calibration looks at. */
const faces = 512;
const rows = 32;

/**
 * The quality measure's calibration: fitted on a random part of the training set, sharp and at its best low resolution, or that of photos.
 * Synthetic faces are smoother than photos, so a range fitted on them would call many a low-resolution photo sharp.
 */
export async function fitCalibration(
  backbone: Backbone,
  data: FaceData,
  loader: Loader,
  options: TrainingOptions,
  session: SessionOptions,
  measure: QualityMeasure,
): Promise<Calibration> {
  const { alphaRange, alphaThreshold } = options;
  const [low, high] = alphaRange;
  if (low !== undefined && high !== undefined) return rangeCalibration(measure, low, high);
  if (alphaThreshold !== undefined) return calibrateAsPaper(measure, [alphaThreshold]);
  const synthetic = data.length > 0 && data.at(0).source.kind === "synthetic";
  const known = knowsPhotos(measure.name, backbone.size);
  if (options.calibration === "photos" || (options.calibration === "auto" && synthetic && known))
    return photoCalibration(measure, backbone.size);
  const { graph, score } = qualityGraph(backbone, measure);
  const stream = random("calibration", options.seed);
  const chosen =
    data.length <= faces
      ? Array.from({ length: data.length }, (_, i) => i)
      : Array.from({ length: faces }, () => stream.int(data.length));
  const engine = await openSession(graph, session);
  const scores = async (degrade: Degradation | undefined): Promise<number[]> => {
    const all: number[] = [];
    for (let start = 0; start < chosen.length; start += rows) {
      const part = chosen.slice(start, start + rows);
      const planes = await loader.load(part.map((index) => ({ source: data.at(index).source, flip: false, degrade })));
      const image = toInput(planes, part.length, part.length, backbone.size, backbone.spec);
      all.push(...floatsOf(await engine.run({ [backbone.input]: image }), score));
    }
    return all;
  };
  try {
    if (options.calibration === "paper") return calibrateAsPaper(measure, await scores(undefined));
    return calibrate(measure, await scores(undefined), await scores(mildest(options)));
  } finally {
    await engine.close();
  }
}

/** The best that a degraded training face can look. */
function mildest(options: TrainingOptions): Degradation {
  const spec = degradationOf(options);
  return spec === undefined ? { kind: "lr", pixels: Math.max(...options.lrPixels) } : mildestDegradation(spec);
}
