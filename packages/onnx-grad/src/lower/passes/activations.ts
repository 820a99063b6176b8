import type { Ops } from "../../build/ops.ts";
import { floatOf } from "../../graph/attributes.ts";
import type { Node } from "../../graph/graph.ts";
import { itemAt } from "../../graph/item-at.ts";
import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";

/** Defaults of Selu's two constants, as ONNX states them, float32 numbers. */
const seluAlpha = 1.6732631921768188;
const seluGamma = 1.0507010221481323;

/** Operator -> the same in operators that the WebGPU provider (1.30) has kernels for. */
const forms: Readonly<Record<string, (o: Ops, x: string, node: Node) => string>> = {
  Sign: (o, x) => o.sub(o.cast(o.greater(x, 0), o.dtype(x)), o.cast(o.less(x, 0), o.dtype(x))),
  Softsign: (o, x) => o.div(x, o.add(o.abs(x), 1)),
  Selu: (o, x, node) =>
    o.mul(
      o.builder.add("Elu", [x], { alpha: { float: floatOf(node, "alpha", seluAlpha) } }),
      floatOf(node, "gamma", seluGamma),
    ),
  // max(0, x) + min(0, alpha (exp(x / alpha) - 1)); the lower half is kept from overflowing where
  // it is not wanted.
  Celu: (o, x, node) => {
    const alpha = floatOf(node, "alpha", 1);
    const low = o.min(x, 0);
    return o.add(o.relu(x), o.mul(o.sub(o.exp(o.div(low, alpha)), 1), alpha));
  },
};

/** Functions of each element that the WebGPU provider (1.30) has no kernels for. */
export const activations: Pass = {
  name: "activations",
  targets: ["webgpu"],
  exact: false,
  run: (graph) =>
    replaceNodes(
      graph,
      ({ op, domain }) => domain === "" && Object.hasOwn(forms, op),
      (o, node) => {
        const form = forms[node.op];
        return form && [form(o, itemAt(node.inputs, 0), node)];
      },
    ),
};
