import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";

/** Sign as (x > 0) - (x < 0): the WebGPU provider (1.30) has no kernel for it. */
export const sign: Pass = {
  name: "sign",
  targets: ["webgpu"],
  exact: false,
  run: (graph) =>
    replaceNodes(
      graph,
      ({ op, domain }) => domain === "" && op === "Sign",
      (o, { inputs }) => {
        const x = inputs[0] as string;
        return [o.sub(o.cast(o.greater(x, 0), o.dtype(x)), o.cast(o.less(x, 0), o.dtype(x)))];
      },
    ),
};
