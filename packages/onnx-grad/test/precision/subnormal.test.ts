import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { itemAt } from "../../src/graph/item-at.ts";
import {
  findSubnormals,
  flushSubnormals,
  GraphBuilder,
  ops,
  readModel,
  readTensor,
  writeModel,
} from "../../src/index.ts";

/** The smallest subnormal number, the largest one, and the smallest normal one. */
const [least, most, normal] = [2 ** -149, 2 ** -126 - 2 ** -149, 2 ** -126];

function graphOf(weights: Readonly<Record<string, Float32Array>>) {
  const b = new GraphBuilder({ name: "sum", opset: 18 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [1] });
  const values = Object.entries(weights).map(([name, data]) =>
    o.reduceSum(b.constant({ dtype: "float32", dims: [data.length], data }, name), [0], true),
  );
  return b.build([o.sum([x, ...values])]);
}

const weights = {
  dead: Float32Array.from({ length: 3000 }, (_, i) => itemAt([1, least, -most, normal, -normal, 0, -0], i % 7)),
  usual: Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i)),
  rare: Float32Array.from({ length: 300_001 }, (_, i) => (i === 7 ? least : 1)),
};

test("numbers closer to zero than float32's normal ones become zero, in memory and in a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "onnx-grad-subnormal-"));
  try {
    await writeModel(graphOf(weights), join(folder, "model.onnx"));
    for (const graph of [graphOf(weights), await readModel(join(folder, "model.onnx"))]) {
      const found = await findSubnormals(graph);
      expect(found).toEqual(["dead"]);
      const flushed = flushSubnormals(graph, found);
      const { data } = readTensor(flushed.constants.get("dead") ?? expect.fail());
      expect(Array.from(data as Float32Array).slice(0, 7)).toEqual([1, 0, -0, normal, -normal, 0, -0]);
      for (const name of ["usual", "rare"]) expect(flushed.constants.get(name)).toBe(graph.constants.get(name));
      expect(await findSubnormals(flushed)).toEqual([]);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
