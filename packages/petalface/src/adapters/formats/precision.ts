import { type Graph, GraphBuilder, itemAt, type Node, ops, quantise, quantisedValues, toHalf } from "onnx-grad";
import type { Backbone } from "../../backbones/index.ts";
import { toInput } from "../../backbones/index.ts";
import { floatsOf, openSession, type SessionOptions } from "../../runtime/index.ts";
import { alphaOutput } from "../model.ts";

/**
 * What numbers a deployed model computes with. `int8` with fixed ranges from examples,
 * `int8-dynamic` with ranges found in every batch.
 */
export type Precision = "fp32" | "fp16" | "int8" | "int8-dynamic";

/** Names of {@link Precision}. */
export const precisionNames = ["fp32", "fp16", "int8", "int8-dynamic"] as const;

/** Faces for the ranges of `int8`: 8-bit planes of one batch after the other, all of one length. */
export type Examples = AsyncIterable<{ readonly planes: Uint8Array; readonly count: number }>;

/**
 * A deployed graph in another precision. What judges quality and makes the gate stays in float32,
 * so alpha keeps its bits and the gate closes exactly; so do the small products of the adapter.
 * Throws PetalfaceError if the engine refuses the graph.
 */
export async function inPrecision(
  backbone: Backbone,
  graph: Graph,
  precision: Precision,
  examples: Examples,
  session: SessionOptions,
): Promise<Graph> {
  if (precision === "fp32") return graph;
  const keep = keeper(graph, precision === "fp16");
  if (precision === "fp16") return await toHalf(graph, keep);
  if (precision === "int8-dynamic") return await quantise(graph, { keep });
  const ranges = await rangesOf(backbone, graph, quantisedValues(graph, keep), examples, session);
  return await quantise(graph, { keep, ranges });
}

/** Nodes that alpha follows from and, unless `half`, the adapter's products. */
function keeper(graph: Graph, half: boolean): (node: Node) => boolean {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const judging = new Set<Node>();
  const waiting = graph.outputs.filter((output) => output.startsWith(alphaOutput));
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    const node = makers.get(value);
    if (node === undefined || judging.has(node)) continue;
    judging.add(node);
    waiting.push(...node.inputs);
  }
  const low = (name: string): boolean => /\.lora_[AB]\.weight/.test(name);
  return (node) => judging.has(node) || (!half && node.inputs.some(low));
}

/** Least and largest number of values over examples. */
async function rangesOf(
  backbone: Backbone,
  graph: Graph,
  values: readonly string[],
  examples: Examples,
  options: SessionOptions,
): Promise<Map<string, readonly [number, number]>> {
  const b = new GraphBuilder(graph);
  const o = ops(b);
  const all = (value: string): number[] => b.shape(value).map((_, axis) => axis);
  const ends = values.map(
    (value) => [o.reduceMin(value, all(value), false), o.reduceMax(value, all(value), false)] as const,
  );
  const session = await openSession(b.build(ends.flat()), options);
  const ranges = new Map<string, readonly [number, number]>();
  try {
    for await (const { planes, count } of examples) {
      const image = toInput(planes, count, count, backbone.size, backbone.spec);
      const results = await session.run({ [backbone.input]: image });
      values.forEach((value, at) => {
        const [low, high] = itemAt(ends, at);
        const [least, most] = [itemAt(floatsOf(results, low), 0), itemAt(floatsOf(results, high), 0)];
        const [from, to] = ranges.get(value) ?? [least, most];
        ranges.set(value, [Math.min(from, least), Math.max(to, most)]);
      });
    }
  } finally {
    await session.close();
  }
  return ranges;
}
