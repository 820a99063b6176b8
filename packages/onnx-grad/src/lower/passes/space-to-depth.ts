import { intOf } from "../../graph/attributes.ts";
import { itemAt, tupleOf } from "../../graph/item-at.ts";
import type { Pass } from "../pass.ts";
import { replaceOperator } from "../rewrite.ts";

/**
 * SpaceToDepth as a reshape and a transpose: the WebGPU provider (1.30) has no kernel for it, only
 * for its inverse.
 */
export const spaceToDepth: Pass = {
  name: "space-to-depth",
  targets: ["webgpu"],
  exact: true,
  run: replaceOperator("SpaceToDepth", (o, node) => {
    const x = itemAt(node.inputs, 0);
    const [batch, channels, height, width] = tupleOf(o.shape(x), 4);
    if (typeof channels !== "number" || typeof height !== "number" || typeof width !== "number") return undefined;
    const size = intOf(node, "blocksize", 1);
    const blocks = o.reshape(x, [batch, channels, height / size, size, width / size, size]);
    const transposed = o.transpose(blocks, [0, 3, 5, 1, 2, 4]);
    return [o.reshape(transposed, [batch, channels * size * size, height / size, width / size])];
  }),
};
