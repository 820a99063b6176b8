import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";

/**
 * Sum and Mean of any number of values as a chain of additions: the WebGPU provider (1.30) has
 * kernels for neither.
 */
export const sums: Pass = {
  name: "sums",
  targets: ["webgpu"],
  exact: false,
  run: (graph) =>
    replaceNodes(
      graph,
      ({ op, domain }) => domain === "" && (op === "Sum" || op === "Mean"),
      (o, { op, inputs }) => {
        const total = inputs.reduce((sum, value) => o.add(sum, value));
        return [op === "Sum" ? total : o.mul(total, 1 / inputs.length)];
      },
    ),
};
