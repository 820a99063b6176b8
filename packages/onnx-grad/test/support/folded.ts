import { expect } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { run, wave } from "./engine.ts";

/**
 * The folded graph computes what the graph as it was does, in onnxruntime, with the shapes that it
 * states.
 */
export async function expectSame(graph: Graph, folded: Graph, batch = 1): Promise<void> {
  const feeds = Object.fromEntries(
    graph.inputs.map((name) => {
      const shape = graph.types.get(name)?.shape ?? [];
      return [name, wave(shape.map((dim) => (typeof dim === "number" ? dim : dim.times * batch)))];
    }),
  );
  const before = await run({ ...graph, types: new Map([...folded.types, ...graph.types]) }, feeds);
  expect(await run(folded, feeds)).toEqual(before);
  for (const name of graph.outputs) {
    const shape = folded.types.get(name)?.shape.map((dim) => (typeof dim === "number" ? dim : dim.times * batch));
    expect(before[name]?.dims).toEqual(shape);
  }
}
