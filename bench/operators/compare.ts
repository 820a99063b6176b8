import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { differentiate, float32, GraphBuilder, itemAt, ops, readModel, type Tensor, upgradeOpset } from "onnx-grad";
import { floatsOf } from "petalface/runtime";
import { runOnce } from "../skeleton/sessions.ts";
import { largestDifference } from "../skeleton/statistics.ts";

/** PyTorch's numbers for one function (export.py). */
interface Reference {
  readonly inputs: readonly { readonly shape: readonly number[]; readonly data: readonly number[] }[];
  readonly output: readonly number[];
  readonly gradients: readonly (readonly number[])[];
}

/** How far ours are from PyTorch's: the largest difference by the largest number. */
export interface Agreement {
  readonly output: number;
  readonly gradients: number;
}

/**
 * Reads one exported function, differentiates it by its inputs and compares both with PyTorch.
 * Throws what stands in the way.
 */
export async function compareOperator(folder: string, name: string, variant: string): Promise<Agreement> {
  const reference = JSON.parse(await readFile(join(folder, `${name}.json`), "utf8")) as Reference;
  const graph = upgradeOpset(await readModel(join(folder, `${name}-${variant}.onnx`)));
  const b = new GraphBuilder(graph);
  const o = ops(b);
  const [output = ""] = graph.outputs;
  const direction = b.input("cosines of the output", { dtype: "float32", shape: b.shape(output) });
  const loss = o.reduceSum(o.mul(output, direction), undefined, false);
  const wrt = graph.inputs.filter((input) => /^input\d$/.test(input));
  const names = wrt.map((input) => `${input}.gradient`);
  const backward = differentiate(b.build([loss]), { loss, wrt, names, outputs: [output], unreached: "zeros" });

  const feeds: Record<string, Tensor> = {};
  for (const input of wrt) {
    const { shape, data } = reference.inputs[Number(input.slice(5))];
    feeds[input] = float32(data, shape);
  }
  const cosines = reference.output.map((_, i) => Math.cos(i));
  feeds[direction] = float32(cosines, b.shape(output) as number[]);
  const results = await runOnce(backward, feeds);
  const each = wrt.map((input, i) =>
    distance(floatsOf(results, itemAt(names, i)), reference.gradients[Number(input.slice(5))]),
  );
  return { output: distance(floatsOf(results, output), reference.output), gradients: Math.max(0, ...each) };
}

/**
 * The largest difference by the largest of the expected numbers, which counts as 0.001 at least;
 * infinite where shapes or NaN differ.
 */
function distance(actual: ArrayLike<number>, expected: readonly number[]): number {
  const worst = largestDifference(actual, expected, 1e-3);
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}
