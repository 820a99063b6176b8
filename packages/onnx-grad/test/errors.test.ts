import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { GraphBuilder } from "../src/build/builder.ts";
import { ops } from "../src/build/ops.ts";
import { readModel } from "../src/format/model.ts";
import { differentiate } from "../src/gradient/differentiate.ts";
import { OnnxGradError } from "../src/graph/errors.ts";
import { itemAt } from "../src/graph/item-at.ts";
import { int64 } from "../src/graph/tensor.ts";
import { scratch } from "./support/engine.ts";

async function codeOf(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error instanceof OnnxGradError ? error.code : error;
  }
  return undefined;
}

/** The sum of what an operator makes of `[2, 3]`; its further input is the number 2. */
function sumOf(op: string, outputs = 1) {
  const b = new GraphBuilder({ name: "case", opset: 18 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [2, 3] });
  const inputs = outputs === 1 ? [x] : [x, b.constant(int64([2]))];
  const loss = o.reduceSum(itemAt(b.addAll(op, inputs, {}, { outputs }), 0), [0, 1], false);
  return { graph: b.build([loss]), loss };
}

it("has a code for each kind of fault, and keeps its cause", async () => {
  const file = join(scratch(), "model.onnx");
  writeFileSync(file, "no model");
  expect(await codeOf(() => readModel(file))).toBe("ONNX_MODEL_UNREADABLE");
  expect(await codeOf(() => sumOf("NoSuchOperator"))).toBe("ONNX_NODE_UNSUPPORTED");
  const { graph, loss } = sumOf("TopK", 2);
  expect(await codeOf(() => differentiate(graph, { loss, wrt: ["x"] }))).toBe("ONNX_NO_GRADIENT");
  expect(await codeOf(() => differentiate(sumOf("Relu").graph, { loss: "absent", wrt: ["x"] }))).toBe(
    "ONNX_GRAPH_UNFIT",
  );
  const cause = new Error("below");
  expect(new OnnxGradError("above", { cause })).toMatchObject({ cause, code: "ONNX_GRAPH_UNFIT" });
});
