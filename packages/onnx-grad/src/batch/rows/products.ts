import type { ShapeCall } from "../../infer/call.ts";
import { agree, type RowRule, type RowRules, type Step } from "./rule.ts";

/**
 * A product in which every axis has a label: axes of one label meet, and those that the output
 * lacks are summed over.
 */
function labelled({ places }: Step, inputs: readonly (readonly string[])[], output: readonly string[]) {
  return agree(
    places.map((place, index) => {
      if (place === undefined) return undefined;
      const labels = inputs[index] ?? [];
      const label = labels[place.axis] ?? "";
      if (labels.indexOf(label) !== labels.lastIndexOf(label)) return "it takes a diagonal of the images";
      const axis = output.indexOf(label);
      return axis < 0 ? "it sums over the images" : { ...place, axis };
    }),
  );
}

/** Labels of `count` axes that are aligned from the right. */
const stack = (count: number): string[] => Array.from({ length: Math.max(0, count) }, (_, at) => `stack ${count - at}`);

/** numpy's matrix product, vectors and stacks included; either side may be transposed. */
const matmul: RowRule = (step) => {
  const { call } = step;
  const [a, b] = [call.shape(0).length, call.shape(1).length];
  const swap = (labels: string[], name: string): string[] => (call.int(name, 0) === 0 ? labels : labels.reverse());
  const left = [...stack(a - 2), ...(a === 1 ? ["k"] : swap(["m", "k"], "transA"))];
  const right = [...stack(b - 2), ...(b === 1 ? ["k"] : swap(["k", "n"], "transB"))];
  const output = [...stack(Math.max(a, b) - 2), ...(a === 1 ? [] : ["m"]), ...(b === 1 ? [] : ["n"])];
  // The bias of a Gemm, aligned from the right.
  const bias = call.has(2) ? output.slice(output.length - call.shape(2).length) : [];
  return labelled(step, [left, right, bias], output);
};

const einsum: RowRule = (step) => {
  const { call } = step;
  const [left = "", right] = call.text("equation", "").replaceAll(" ", "").split("->");
  const operands = left.split(",").map((letters, index) => spell(call, letters, index));
  const all = operands.flat();
  const once = all.filter((label) => all.indexOf(label) === all.lastIndexOf(label) && label.length === 1).sort();
  const stacked = all.filter((label) => label.length > 1);
  const widest = stack(Math.max(0, ...stacked.map((label) => Number(label.slice("stack ".length)))));
  const output = right === undefined ? [...widest, ...once] : spread(right, widest);
  return labelled(step, operands, output);
};

/**
 * The labels of an operand: its letters, with an ellipsis standing for the axes that they leave.
 */
function spell(call: ShapeCall, letters: string, index: number): string[] {
  const named = letters.replace("...", "").length;
  return spread(letters, stack(call.shape(index).length - named));
}

function spread(letters: string, ellipsis: readonly string[]): string[] {
  const [before = "", after = ""] = letters.split("...");
  return [...before, ...(letters.includes("...") ? ellipsis : []), ...after];
}

/**
 * Products: images stay apart along axes that are kept, and are mixed along those that are summed
 * over.
 */
export const productRows: RowRules = {
  MatMul: matmul,
  Gemm: matmul,
  "com.microsoft:FusedMatMul": matmul,
  Einsum: einsum,
};
