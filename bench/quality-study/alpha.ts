import { type FaceData, subset } from "petalface/data";
import { alphaOf, calibrate, openMeasure, qualityGraph } from "petalface/quality";
import { facesOfFolds, trainingFaces } from "../faces/run.ts";
import { openFaceRows, requestsIn, shrinkTo } from "../skeleton/faces.ts";
import { openShared } from "../skeleton/shared.ts";
import { mean, spread } from "../skeleton/statistics.ts";
import { alphaPixels, measures, model } from "./plan.ts";

/** Alpha of the test faces at one resolution. */
export interface AlphaRow {
  readonly pixels: number;
  readonly mean: number;
  /** Share with alpha exactly 1. */
  readonly one: number;
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
  const backbone = await openShared(model);
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
    rows.push({ pixels, mean: mean(alphas), one: mean(alphas.map((alpha) => Number(alpha === 1))) });
  }
  return { low: calibration.low, high: calibration.high, rows };
}
