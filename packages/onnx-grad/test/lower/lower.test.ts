import { describe, expect, test } from "vitest";
import { itemAt } from "../../src/graph/item-at.ts";
import { GraphBuilder, lower, ops, type Pass } from "../../src/index.ts";
import { fuseNodes } from "../../src/lower/fuse.ts";
import { replaceNodes } from "../../src/lower/rewrite.ts";
import { expectClose, numbers, random, run } from "../run.ts";

/** y = relu(x)^2 and z = relu(x). */
function sample() {
  const b = new GraphBuilder({ name: "sample", opset: 18 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [2, 3] });
  const z = o.relu(x);
  const y = o.mul(z, z);
  return b.build([y, z]);
}

const pass = (change: Partial<Pass>): Pass => ({
  name: "trial",
  targets: ["cpu", "wasm"],
  exact: true,
  run: (graph) => graph,
  ...change,
});

describe("lower", () => {
  test("runs the passes of the target only, in order", () => {
    const ran: string[] = [];
    const noting = (name: string, change: Partial<Pass>) =>
      pass({
        ...change,
        name,
        run: (graph) => {
          ran.push(name);
          return graph;
        },
      });
    const passes = [noting("a", {}), noting("b", { targets: ["webgpu"] }), noting("c", { exact: false })];
    const graph = sample();
    expect(lower(graph, "cpu", { passes })).toBe(graph);
    lower(graph, "cpu", { passes, exact: true });
    lower(graph, "webgpu", { passes });
    expect(ran).toEqual(["a", "c", "a", "b"]);
  });

  test("refuses a pass that renames an output", () => {
    const run = (graph: ReturnType<typeof sample>) => ({ ...graph, outputs: ["other", ...graph.outputs.slice(1)] });
    expect(() => lower(sample(), "cpu", { passes: [pass({ run })] })).toThrow(/pass "trial" changed/);
  });

  test("replaced nodes keep the names of outputs and the function", async () => {
    const graph = sample();
    const swapped = replaceNodes(
      graph,
      (node) => node.op === "Relu",
      (o, node) => [o.max(itemAt(node.inputs, 0), 0)],
    );
    expect(swapped.nodes.map((node) => node.op).sort()).toEqual(["Identity", "Max", "Mul"]);
    expect(swapped.outputs).toEqual(graph.outputs);
    const feeds = { x: random([2, 3], 4) };
    const [expected, actual] = [await run(graph, feeds), await run(swapped, feeds)];
    for (const name of graph.outputs) expectClose(numbers(actual[name]), numbers(expected[name]), 0);
  });

  test("fused nodes leave nothing unused behind", () => {
    const graph = sample();
    const [y, z] = graph.outputs as [string, string];
    const fused = fuseNodes(graph, (node, { producer, uses }) => {
      if (node.op !== "Mul") return undefined;
      expect(uses(z)).toBe(3);
      expect(producer(z)?.op).toBe("Relu");
      return { ...node, op: "Square", domain: "test", inputs: ["x"] };
    });
    expect(fused.nodes.map((node) => node.op)).toEqual(["Relu", "Square"]);
    const alone = fuseNodes({ ...graph, outputs: [y] }, (node) =>
      node.op === "Mul" ? { ...node, op: "Square", domain: "test", inputs: ["x"] } : undefined,
    );
    expect(alone.nodes.map((node) => node.op)).toEqual(["Square"]);
    expect([...alone.types.keys()]).toEqual(["x", y]);
  });
});
