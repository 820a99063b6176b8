import { copyGraph, ops } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import type { QualityMeasure } from "./types.ts";

/** Luma weights of R, G, B (ITU-R BT.601). */
const luma = [0.299, 0.587, 0.114] as const;

/** The 4-neighbour Laplacian, row-major. */
const laplacian = [0, 1, 0, 1, -4, 1, 0, 1, 0] as const;

/** Keeps the logarithm finite on a constant image; far below the variance of any photo. */
const varianceFloor = 1e-6;

/**
 * Sharpness: natural logarithm of the variance of the grey image's Laplacian, grey levels 0..255, no border
 * (the focus measure of Pech-Pacheco et al., ICPR 2000, on a log scale). Higher is sharper.
 */
const sharpness: QualityMeasure = {
  name: "sharpness",
  description: "log variance of the Laplacian; needs nothing, costs almost nothing",
  build(b, backbone, image) {
    const o = ops(b);
    const { spec } = backbone;
    // Undoing the normalisation and grey are linear and the Laplacian drops constants, so all of it is one convolution.
    const kernel = Float32Array.from({ length: 27 }, (_, i) => {
      const channel = Math.floor(i / 9);
      const colour = spec.channels === "bgr" ? 2 - channel : channel;
      return ((luma[colour] as number) * (laplacian[i % 9] as number)) / (spec.scale[colour] as number);
    });
    const weight = b.constant({ dtype: "float32", dims: [1, 3, 3, 3], data: kernel }, "laplacian");
    const edges = b.add("Conv", [image, weight], { kernel_shape: { ints: [3, 3] } }, { name: "sharpness" });
    const centred = o.sub(edges, o.reduceMean(edges, [1, 2, 3], true));
    const variance = o.reduceMean(o.mul(centred, centred), [1, 2, 3], false);
    return o.log(o.add(variance, varianceFloor));
  },
};

/** Embedding norm: length of the frozen backbone's embedding, large for faces it recognises well (MagFace, CVPR 2021). */
const norm: QualityMeasure = {
  name: "norm",
  description: "length of the frozen embedding; costs a second pass through the backbone",
  build(b, backbone, image) {
    const o = ops(b);
    const names = copyGraph(b, backbone.graph, { inputs: new Map([[backbone.input, image]]), prefix: "quality/" });
    const embedding = names.get(backbone.output) as string;
    return o.sqrt(o.reduceSum(o.mul(embedding, embedding), [1], false));
  },
};

const measures: readonly QualityMeasure[] = [sharpness, norm];

/** Names of the quality measures. */
export const measureNames: readonly string[] = measures.map((measure) => measure.name);

/** The measure of this name. Throws PetalfaceError with the names there are. */
export function measureOf(name: string): QualityMeasure {
  const measure = measures.find((candidate) => candidate.name === name);
  if (measure === undefined)
    throw new PetalfaceError(`there is no quality measure "${name}"; choose one of ${measureNames.join(", ")}`, {
      exitCode: 2,
    });
  return measure;
}
