import { intOf } from "../../graph/attributes.ts";
import { itemAt } from "../../graph/item-at.ts";
import type { Pass } from "../pass.ts";
import { replaceOperator } from "../rewrite.ts";

/**
 * LogSoftmax as z - log(sum(exp(z))) with z = x - max(x): the WebGPU provider (1.30) has no kernel
 * for it.
 */
export const logSoftmax: Pass = {
  name: "log-softmax",
  targets: ["webgpu"],
  exact: false,
  run: replaceOperator("LogSoftmax", (o, node) => {
    const x = itemAt(node.inputs, 0);
    const axes = [o.axis(x, intOf(node, "axis", -1))];
    const z = o.sub(x, o.reduceMax(x, axes));
    return [o.sub(z, o.log(o.reduceSum(o.exp(z), axes)))];
  }),
};
