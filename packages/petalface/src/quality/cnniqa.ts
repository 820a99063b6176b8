import { ops } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { wholeGreyOf } from "./grey.ts";
import { filterMatrix, onBothAxes } from "./matrices.ts";
import type { QualityMeasure } from "./types.ts";
import { type QualityWeights, requireTensors } from "./weights.ts";

const patch = 32;
const filters = 50;
const kernel = 7;
const hidden = 800;

/** Names and dimensions of the weights, those of the author's checkpoint. */
export const cnniqaTensors = {
  "conv1.weight": [filters, 1, kernel, kernel],
  "conv1.bias": [filters],
  "fc1.weight": [hidden, 2 * filters],
  "fc1.bias": [hidden],
  "fc2.weight": [hidden, hidden],
  "fc2.bias": [hidden],
  "fc3.weight": [1, hidden],
  "fc3.bias": [1],
} as const;

/**
 * Patches along one side: those that start before `size - 32`, so that one which would fit exactly
 * at the end is left out, as published.
 */
export const patchesAlong = (size: number): number => Math.max(0, Math.ceil((size - patch) / patch));

/**
 * CNNIQA (Kang, Ye, Li and Doermann, CVPR 2014): a small network judges each 32 x 32 patch of the
 * grey image, normalised by its local mean and deviation, and the mean over the patches is the
 * score. Higher is worse. Throws PetalfaceError for faces of 32 px or less.
 */
export function cnniqa(weights: QualityWeights): QualityMeasure {
  requireTensors("cnniqa", weights, cnniqaTensors);
  return {
    name: "cnniqa",
    description: "a small network on 32 px patches; from its author's checkpoint",
    weights,
    build(b, backbone, image) {
      const o = ops(b);
      const along = patchesAlong(backbone.size);
      if (along === 0)
        throw new PetalfaceError(
          "PETAL_QUALITY_UNFIT",
          `cnniqa scores patches of 32 px and needs faces larger than that, not ${backbone.size} px`,
        );
      const constant = (name: keyof typeof cnniqaTensors): string => {
        const { dims, data } = weights.tensors.get(name) ?? { dims: [], data: new Float32Array() };
        return b.constant({ dtype: "float32", dims, data }, `cnniqa.${name}`);
      };
      const grey = o.div(wholeGreyOf(b, o, backbone, image, [19595, 38470, 7471], 16), 255);
      const used = o.slice(grey, [0, 0], [along * patch, along * patch], [1, 2]);
      const cut = b.add("Reshape", [used, o.ints([0, along, patch, along, patch])]);
      const patches = b.add("Reshape", [o.transpose(cut, [0, 1, 3, 2, 4]), o.ints([-1, patch, patch])]);
      const box = filterMatrix(patch, [1 / 3, 1 / 3, 1 / 3]);
      const mean = onBothAxes(o, patches, box);
      const variance = o.sub(onBothAxes(o, o.mul(patches, patches), box), o.mul(mean, mean));
      const normal = o.div(o.sub(patches, mean), o.add(o.sqrt(o.abs(variance)), 1));
      const responses = o.conv(o.unsqueeze(normal, [1]), constant("conv1.weight"), {}, constant("conv1.bias"));
      const ends = o.concat([o.reduceMax(responses, [2, 3], false), o.reduceMin(responses, [2, 3], false)], 1);
      const dense = (x: string, name: "fc1" | "fc2" | "fc3"): string =>
        o.gemm(x, constant(`${name}.weight`), { c: constant(`${name}.bias`), transB: true });
      const scores = dense(o.relu(dense(o.relu(dense(ends, "fc1")), "fc2")), "fc3");
      return o.reduceMean(b.add("Reshape", [scores, o.ints([-1, along * along])]), [1], false);
    },
  };
}
