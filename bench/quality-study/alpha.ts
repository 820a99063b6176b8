import { openBackbone } from "petalface/backbones";
import { type FaceData, subset } from "petalface/data";
import { alphaOf, calibrate, openMeasure, qualityGraph } from "petalface/quality";
import { facesOfFolds, trainingFaces } from "../faces/run.ts";
import { openFaceRows, requestsIn, shrinkTo } from "../skeleton/faces.ts";
import { modelFile } from "../skeleton/shared.ts";
import { mean, spread } from "../skeleton/statistics.ts";
import { alphaPixels, measures, model } from "./plan.ts";

/** Alpha of the test faces at one resolution. */
export interface AlphaRow {
  readonly pixels: number;
  readonly faces: number;
  readonly mean: number;
  /** Shares with alpha exactly 1 and exactly 0. */
  readonly one: number;
  readonly zero: number;
}

/** A measure's range, fitted on training faces, and what it makes of test faces. */
export interface AlphaStudy {
  readonly low: number;
  readonly high: number;
  readonly rows: readonly AlphaRow[];
}

/**
 * Fits a measure's range on training people, as `petalface adapt` does, and looks at alpha of
 * people in the test folds at every resolution of the plan.
 */
export async function studyAlpha(name: string, folds: readonly number[], faces: number): Promise<AlphaStudy> {
  const backbone = await openBackbone(modelFile(model));
  const measure = await openMeasure(measures[name]);
  const { graph, score } = qualityGraph(backbone, measure);
  await using judge = await openFaceRows({ ...backbone, graph, output: score, width: 1 }, 1);
  const [training, test] = [await trainingFaces(), await facesOfFolds(folds)];
  const scores = async (data: FaceData, pixels: number): Promise<number[]> => {
    const chosen = subset(data, spread(Math.min(faces, data.length), data.length));
    const degrade = pixels === backbone.size ? undefined : shrinkTo(pixels);
    return Array.from((await judge.embed(requestsIn(chosen, () => degrade))).rows);
  };
  const calibration = calibrate(measure, await scores(training, backbone.size), await scores(training, 24));
  const rows: AlphaRow[] = [];
  for (const pixels of alphaPixels) {
    const alphas = (await scores(test, pixels)).map((value) => alphaOf(calibration, value));
    const share = (value: number): number => alphas.filter((alpha) => alpha === value).length / alphas.length;
    rows.push({ pixels, faces: alphas.length, mean: mean(alphas), one: share(1), zero: share(0) });
  }
  return { low: calibration.low, high: calibration.high, rows };
}
