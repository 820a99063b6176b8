import { join } from "node:path";
import { openBackbone, openEmbedder } from "petalface/backbones";
import { type FaceData, openData, subset } from "petalface/data";
import { readPairs } from "petalface/evaluation";
import { type Degradation, openLoader } from "petalface/images";
import { alphaOf, calibrate, openMeasure, qualityGraph } from "petalface/quality";
import { heldOutFolds, shared } from "../faces/plan.ts";
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

const lfw = join(shared, "data/lfw112");
const pairsFile = join(shared, "data/lfw112_pairs.txt");

/** Some faces of a set, evenly spread. */
const some = (data: FaceData, count: number): number[] =>
  Array.from({ length: Math.min(count, data.length) }, (_, i) =>
    Math.floor((i * data.length) / Math.min(count, data.length)),
  );

/** Fits a measure's range on training people, as `petalface adapt` does, and looks at alpha of people in the test folds at every resolution of the plan. */
export async function studyAlpha(name: string, folds: readonly number[], faces: number): Promise<AlphaStudy> {
  const backbone = await openBackbone(join(shared, "weights", `${model}.onnx`));
  const measure = await openMeasure(measures[name] as string);
  const { graph, score } = qualityGraph(backbone, measure);
  const embedder = await openEmbedder({ ...backbone, graph, output: score, width: 1 }, { threads: 1 });
  await using loader = openLoader({ size: backbone.size, threads: 1 });
  const all = await openData(lfw);
  const held = new Set((await readPairs(pairsFile, { folds: heldOutFolds })).people);
  const own = new Set((await readPairs(pairsFile, { folds })).people);
  const training = subset(all, (_, person) => person !== undefined && !held.has(person));
  const test = subset(all, (_, person) => person !== undefined && own.has(person));
  const scores = async (data: FaceData, pixels: number): Promise<number[]> => {
    const found: number[] = [];
    const chosen = some(data, faces);
    const degrade: Degradation | undefined = pixels === backbone.size ? undefined : { kind: "lr", pixels };
    for (let start = 0; start < chosen.length; start += embedder.batch) {
      const part = chosen.slice(start, start + embedder.batch);
      const planes = await loader.load(part.map((face) => ({ source: data.at(face).source, flip: false, degrade })));
      found.push(...(await embedder.embed(planes, part.length)).data);
    }
    return found;
  };
  const calibration = calibrate(measure, await scores(training, backbone.size), await scores(training, 24));
  const rows: AlphaRow[] = [];
  for (const pixels of alphaPixels) {
    const alphas = (await scores(test, pixels)).map((value) => alphaOf(calibration, value));
    const share = (value: number): number => alphas.filter((alpha) => alpha === value).length / alphas.length;
    const mean = alphas.reduce((sum, value) => sum + value, 0) / alphas.length;
    rows.push({ pixels, faces: alphas.length, mean, one: share(1), zero: share(0) });
  }
  await embedder.close();
  return { low: calibration.low, high: calibration.high, rows };
}
