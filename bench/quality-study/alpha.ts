import { itemAt } from "onnx-grad";
import { openBackbone, openEmbedder } from "petalface/backbones";
import { type FaceData, openData, subset } from "petalface/data";
import { embedFaces } from "petalface/embeddings";
import { readPairs } from "petalface/evaluation";
import { type Degradation, openLoader } from "petalface/images";
import { alphaOf, calibrate, openMeasure, qualityGraph } from "petalface/quality";
import { trainingFaces } from "../faces/run.ts";
import { lfw, lfwPairs, modelFile } from "../skeleton/shared.ts";
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
  const embedder = await openEmbedder({ ...backbone, graph, output: score, width: 1 }, { threads: 1 });
  await using loader = openLoader({ size: backbone.size, threads: 1 });
  const own = new Set((await readPairs(lfwPairs, { folds })).people);
  const training = await trainingFaces();
  const test = subset(await openData(lfw), (_, person) => person !== undefined && own.has(person));
  const scores = async (data: FaceData, pixels: number): Promise<number[]> => {
    const chosen = spread(Math.min(faces, data.length), data.length);
    const degrade: Degradation | undefined = pixels === backbone.size ? undefined : { kind: "lr", pixels };
    const request = (at: number) => ({ source: data.at(itemAt(chosen, at)).source, flip: false, degrade });
    const found: number[] = [];
    for await (const part of embedFaces(chosen.length, request, { embedder, loader })) found.push(...part.data);
    return found;
  };
  const calibration = calibrate(measure, await scores(training, backbone.size), await scores(training, 24));
  const rows: AlphaRow[] = [];
  for (const pixels of alphaPixels) {
    const alphas = (await scores(test, pixels)).map((value) => alphaOf(calibration, value));
    const share = (value: number): number => alphas.filter((alpha) => alpha === value).length / alphas.length;
    rows.push({ pixels, faces: alphas.length, mean: mean(alphas), one: share(1), zero: share(0) });
  }
  await embedder.close();
  return { low: calibration.low, high: calibration.high, rows };
}
