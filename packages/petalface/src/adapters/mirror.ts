import { copyGraph, type Graph, GraphBuilder, itemAt, ops } from "onnx-grad";
import type { EmbeddingModel } from "../backbones/index.ts";
import { renameValues, withOwnNames } from "./own-names.ts";

/** Metadata of a graph that also embeds mirror images: how they are weighted. */
const mirrorKey = "petalface.mirror";

/**
 * How a graph weights the mirror images that it embeds: `1 - alpha`, or a number; undefined where
 * it embeds none.
 */
export const mirrorWeight = ({ metadata }: Pick<Graph, "metadata">): string | undefined => metadata.get(mirrorKey);

/** The metadata that says so of a graph, for another one that computes the same. */
export const mirrorMetadata = (graph: Pick<Graph, "metadata">): [string, string][] => {
  const weight = mirrorWeight(graph);
  return weight === undefined ? [] : [[mirrorKey, weight]];
};

/** Without the rounding error of a difference: 0.1, where 1 - 0.9 is 0.09999999999999998. */
const printWeight = (weight: number): string => String(Number(weight.toPrecision(6)));

/**
 * The network that also embeds the mirror image x' of each image x: f(x) + (1 - alpha) f(x'). So
 * faces with alpha 1 keep their embeddings. It computes the network twice, and has its weights
 * once. The names of inputs and outputs stay.
 *
 * @param graph its first input is the image `[N, 3, size, size]`, its first output the embedding
 * @param alpha value of the graph `[N]`, or one number for all images
 */
export function withMirror(graph: Graph, alpha: string | number): Graph {
  const b = new GraphBuilder(graph);
  const o = ops(b);
  const image = itemAt(graph.inputs, 0);
  const [embedding, ...others] = [itemAt(graph.outputs, 0), ...graph.outputs.slice(1)] as const;
  const same = [...graph.inputs, ...graph.constants.keys()].map((name) => [name, name] as const);
  const copied = copyGraph(b, graph, {
    inputs: new Map([...same, [image, o.flip(image, [3])]]),
    constants: new Map(same),
    prefix: "mirror/",
  });
  const mirrored = copied.get(embedding) ?? embedding;
  const weight = typeof alpha === "number" ? 1 - alpha : o.unsqueeze(o.sub(1, alpha), [1]);
  const sum = o.add(embedding, weight === 1 ? mirrored : o.mul(mirrored, weight));
  const own = new Map(graph.nodes.map(({ name }) => [name, name]));
  const built = withOwnNames(b.build([sum, ...others]), own);
  return {
    ...renameValues(built, new Map([[sum, embedding]])),
    metadata: new Map([
      ...graph.metadata,
      [mirrorKey, typeof alpha === "number" ? printWeight(1 - alpha) : "1 - alpha"],
    ]),
  };
}

/**
 * The model that also embeds mirror images ({@link withMirror}); those of all faces where it has no
 * alpha. It takes twice the time.
 */
export const mirroredModel = (model: EmbeddingModel): EmbeddingModel => ({
  ...model,
  graph: withMirror(model.graph, model.alpha ?? 0),
});
