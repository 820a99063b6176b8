import { describe, expect, it } from "vitest";
import { float32 } from "../../src/graph/tensor.ts";
import { proveBatch, setBatch } from "../../src/index.ts";
import { type NodeSketch, sketch } from "../support/draft.ts";
import { run } from "../support/engine.ts";

const open = { symbol: "N", times: 1 };
const join: NodeSketch = ["Concat", "token x", "y", { axis: { int: 1 } }];
const add: NodeSketch = ["Add", "x token", "y"];
const tokens = (rows: readonly number[][]) => float32(rows.flat(), [rows.length, 1, 2]);

describe("a constant with one copy for each image of a fixed batch", () => {
  it.each([
    ["joined to the images", join, [open, 4, 2]],
    ["added to the images", add, [open, 3, 2]],
  ] as const)("is %s once for any batch", async (_, node, shape) => {
    const token = tokens([
      [1, 2],
      [1, 2],
    ]);
    const graph = sketch({ x: [2, 3, 2] }, [node], "y", { token });
    const fixed = { ...graph, types: new Map([...graph.types, ...setBatch(setBatch(graph, "N"), 2).types]) };
    const opened = setBatch(graph, "N");
    expect(opened.types.get("y")?.shape).toEqual(shape);
    expect(await proveBatch(fixed, opened, run)).toBe(0);
  });

  it.each([
    ["joined", join, /Concat node .* cannot tell which part of "token"/],
    ["added", add, /Add node .* do not broadcast/],
  ] as const)("is refused where the copies differ: %s", (_, node, message) => {
    const token = tokens([
      [1, 2],
      [1, 3],
    ]);
    expect(() => setBatch(sketch({ x: [2, 3, 2] }, [node], "y", { token }), "N")).toThrow(message);
  });

  it("is left alone along axes that are no batch", () => {
    const graph = sketch({ x: [2, 2, 2] }, [add], "y", { token: float32([5, 5, 5, 5], [2, 2]) });
    const opened = setBatch(graph, "N");
    expect(opened.nodes[0]?.inputs).toEqual(["x", "token"]);
  });
});
