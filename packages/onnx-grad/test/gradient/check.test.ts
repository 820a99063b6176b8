import { describe, expect, it } from "vitest";
import { itemAt } from "../../src/graph/item-at.ts";
import { checkGradients, type Graph, GraphBuilder, ops, type Run } from "../../src/index.ts";
import { random, run } from "../run.ts";

function cubes(dims: number[]): { graph: Graph; loss: string; weight: string } {
  const b = new GraphBuilder({ name: "cubes", opset: 18 });
  const o = ops(b);
  b.input("x", { dtype: "float32", shape: dims });
  const weight = b.constant(random(dims, 2), "weight");
  const loss = o.reduceSum(o.mul(o.pow("x", 3), weight), undefined, false);
  return { graph: b.build([loss]), loss, weight };
}

/** A runner whose gradient of x is wrong by `factor` in its largest element. */
const wrong =
  (factor: number): Run =>
  async (graph, feeds) => {
    const result = await run(graph, feeds);
    const gradient = result["check.gradient.0"];
    if (gradient?.dtype === "float32") {
      const largest = gradient.data.reduce(
        (best, value, i, all) => (Math.abs(value) > Math.abs(itemAt(all, best)) ? i : best),
        0,
      );
      gradient.data[largest] = itemAt(gradient.data, largest) * factor;
    }
    return result;
  };

describe("checkGradients", () => {
  it.each([[[4]], [[40, 3]]])("finds right gradients right, shape %s", async (dims) => {
    const { graph, loss, weight } = cubes(dims);
    const { worst, errors } = await checkGradients(graph, {
      loss,
      wrt: ["x", weight],
      feeds: { x: random(dims, 1) },
      run,
    });
    expect(worst).toBeLessThan(1e-3);
    expect([...errors.keys()]).toEqual(["x", weight]);
  });

  it("finds one wrong element of a small tensor", async () => {
    const { graph, loss } = cubes([4]);
    const options = { loss, wrt: ["x"], feeds: { x: random([4], 1) } };
    expect((await checkGradients(graph, { ...options, run: wrong(1.1) })).worst).toBeGreaterThan(0.02);
  });

  it("finds one badly wrong element of a larger tensor", async () => {
    const { graph, loss } = cubes([40, 3]);
    const options = { loss, wrt: ["x"], feeds: { x: random([40, 3], 1) } };
    expect((await checkGradients(graph, { ...options, run: wrong(-5) })).worst).toBeGreaterThan(0.02);
  });

  it("finds a part that is wrongly zero along random directions only", async () => {
    const { graph, loss } = cubes([40, 3]);
    const half: Run = async (graph, feeds) => {
      const result = await run(graph, feeds);
      const gradient = result["check.gradient.0"];
      if (gradient?.dtype === "float32") gradient.data.fill(0, 60);
      return result;
    };
    const options = { loss, wrt: ["x"], feeds: { x: random([40, 3], 1) }, run: half };
    expect((await checkGradients(graph, { ...options, directions: 0 })).worst).toBeLessThan(1e-3);
    expect((await checkGradients(graph, { ...options, own: false })).worst).toBeGreaterThan(0.2);
    expect((await checkGradients(graph, { ...options, run, own: false })).worst).toBeLessThan(1e-3);
  });

  it("calls a gradient that is no number infinitely wrong", async () => {
    const { graph, loss } = cubes([4]);
    const options = { loss, wrt: ["x"], feeds: { x: random([4], 1) } };
    expect((await checkGradients(graph, { ...options, run: wrong(Number.NaN) })).worst).toBe(Infinity);
  });

  it("says which value it has no numbers for", async () => {
    const { graph, loss } = cubes([4]);
    const missing = graph.nodes[0]?.outputs[0];
    const options = { loss, wrt: [missing], feeds: { x: random([4], 1) }, run };
    await expect(checkGradients(graph, options)).rejects.toThrow(
      `"${missing}" is neither a constant nor among the feeds`,
    );
  });
});
