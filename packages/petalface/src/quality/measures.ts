import { copyGraph, entryOf, ops } from "onnx-grad";
import type { ExternalScores } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import { brisque } from "./brisque/brisque.ts";
import { cnniqa } from "./cnniqa.ts";
import { greyOf } from "./grey.ts";
import { resolution } from "./resolution.ts";
import type { Calibration, QualityMeasure } from "./types.ts";
import type { QualityWeights } from "./weights.ts";

/** The 4-neighbour Laplacian, row-major. */
const laplacian = [0, 1, 0, 1, -4, 1, 0, 1, 0] as const;

/** Keeps the logarithm finite on a constant image; far below the variance of any photo. */
const varianceFloor = 1e-6;

/**
 * Sharpness: natural logarithm of the variance of the grey image's Laplacian, grey levels 0..255,
 * no border (the focus measure of Pech-Pacheco et al., ICPR 2000, on a log scale). Higher is
 * sharper.
 */
const sharpness: QualityMeasure = {
  name: "sharpness",
  description: "log variance of the Laplacian; needs no weights and almost no time",
  build(b, backbone, image) {
    const o = ops(b);
    // Grey first: the Laplacian of one plane takes half the time of that of three.
    const grey = o.unsqueeze(greyOf(b, o, backbone, image), [1]);
    const weight = b.constant(
      { dtype: "float32", dims: [1, 1, 3, 3], data: Float32Array.from(laplacian) },
      "laplacian",
    );
    const edges = b.add("Conv", [grey, weight], { kernel_shape: { ints: [3, 3] } }, { name: "sharpness" });
    const centred = o.sub(edges, o.reduceMean(edges, [1, 2, 3], true));
    const variance = o.reduceMean(o.mul(centred, centred), [1, 2, 3], false);
    return o.log(o.add(variance, varianceFloor));
  },
};

/**
 * Embedding norm: length of the frozen backbone's embedding, large for faces it recognises well
 * (MagFace, CVPR 2021).
 */
const norm: QualityMeasure = {
  name: "norm",
  description: "length of the frozen embedding; needs a second pass through the backbone",
  build(b, backbone, image) {
    const o = ops(b);
    const names = copyGraph(b, backbone.graph, { inputs: new Map([[backbone.input, image]]), prefix: "quality/" });
    const embedding = entryOf(names, backbone.output);
    return o.sqrt(o.reduceSum(o.mul(embedding, embedding), [1], false));
  },
};

/** One score for every image: no judge at all. */
function constant(name: string, score: number): QualityMeasure {
  return {
    name,
    description: "one score for every face, constant:SCORE",
    build(b, _, image) {
      const o = ops(b);
      // One number an image without knowing how many there are: zero times something of that
      // length, plus the number.
      return o.add(o.mul(o.reduceMean(image, [1, 2, 3], false), 0), score);
    },
  };
}

/** Name of the input that takes a given score for each face. */
const scoreInput = "quality";

/**
 * The score that came with the data: no graph can know it, so it is an input in addition to the
 * image.
 */
const external: QualityMeasure = {
  name: "external",
  description: "the column quality of a manifest; a second input of the model",
  build(b, _, image) {
    return b.input(scoreInput, { dtype: "float32", shape: b.shape(image).slice(0, 1) });
  },
};

const plain: readonly QualityMeasure[] = [sharpness, resolution, norm, external];

/** Measures that need weights. */
const learned: Readonly<Record<string, (weights: QualityWeights) => QualityMeasure>> = { brisque, cnniqa };

/** Names of the quality measures. */
export const measureNames: readonly string[] = [
  ...plain.map((measure) => measure.name),
  ...Object.keys(learned),
  "constant",
];

/** Whether a measure's score comes with the data and not from the pixels. */
export const isGiven = (measure: string): boolean => measure === external.name;

/**
 * The external scores that a model with this calibration needs, if any. Degraded copies have no
 * external score, so they get the score `low`, the best low resolution that training shows, so that
 * its alpha is 0. The paper's rule has no such score.
 */
export function externalScores(calibration: Calibration): ExternalScores | undefined {
  if (!isGiven(calibration.measure)) return undefined;
  return { input: scoreInput, degraded: "low" in calibration ? calibration.low : undefined };
}

/** How to name the weights of a measure on the command line; undefined where it needs none. */
export const weightsUsage: Readonly<Record<string, string>> = {
  brisque: "brisque:model=brisque_model_live.yml,range=brisque_range_live.yml",
  cnniqa: "cnniqa:model=CNNIQA-LIVE.pth",
};

/** Where people get the weights of measures, and under what terms. Nothing is fetched. */
export const weightSources: readonly {
  readonly measure: string;
  readonly files: string;
  readonly from: string;
  readonly licence: string;
}[] = [
  {
    measure: "brisque",
    files: "brisque_model_live.yml, brisque_range_live.yml",
    from: "github.com/opencv/opencv_contrib, modules/quality/samples",
    licence: "Apache-2.0",
  },
  {
    measure: "cnniqa",
    files: "CNNIQA-LIVE",
    from: "github.com/lidq92/CNNIQA, models",
    licence: "not stated: for comparisons only",
  },
];

/** Whether a measure has weights. */
export const needsWeights = (name: string): boolean => Object.hasOwn(learned, name);

/**
 * The name, if a measure has it; with weights or without. Throws PetalfaceError with the names
 * there are.
 */
export const requireMeasure = (name: string): string => (needsWeights(name) ? name : measureOf(name).name);

/**
 * The measure of this name (`constant:SCORE` with its score), with its weights where it has some.
 * Throws PetalfaceError with the names there are, or where weights are missing or not its own.
 */
export function measureOf(name: string, weights?: QualityWeights): QualityMeasure {
  const measure = plain.find((candidate) => candidate.name === name);
  if (measure !== undefined) return measure;
  const make = Object.hasOwn(learned, name) ? learned[name] : undefined;
  if (make !== undefined) {
    if (weights === undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `quality measure "${name}" needs its weights: write ${weightsUsage[name]}; \`petalface models\` says where to get them`,
      );
    return make(weights);
  }
  const score = /^constant:(-?[\d.]+(?:e-?\d+)?)$/.exec(name)?.[1];
  if (score !== undefined && Number.isFinite(Number(score))) return constant(name, Number(score));
  if (name.startsWith("constant"))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `quality measure "${name}": write constant:SCORE, such as constant:0.5`,
    );
  throw new PetalfaceError(
    "PETAL_OPTION_INVALID",
    `there is no quality measure "${name}"; choose one of ${measureNames.join(", ")}`,
  );
}
