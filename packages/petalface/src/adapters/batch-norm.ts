import { floatData, type Graph, type GraphBuilder, itemAt, type Node, readTensor, sizeOf, staticDims } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";

/**
 * One batch normalisation's place in a vector of running statistics: the means of its channels,
 * then their variances.
 */
interface Norm {
  /** Name of the node. */
  readonly node: string;
  readonly channels: number;
  /** First mean in the vector. */
  readonly offset: number;
}

/** The batch normalisations of a graph, in its order. */
export interface Norms {
  readonly all: readonly Norm[];
  /** Length of the vector of running statistics. */
  readonly length: number;
}

/** No batch normalisation. */
export const noNorms: Norms = { all: [], length: 0 };

/** A tensor inside a vector. */
export interface VectorPart {
  readonly name: string;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/**
 * The tensors in a vector of running statistics, named as in a PyTorch state dict where the nodes
 * are named after their modules.
 */
export const statisticsParts = ({ all }: Norms): VectorPart[] =>
  all.flatMap(({ node, channels, offset }) =>
    ["running_mean", "running_var"].map((what, i) => ({
      name: `${node}.${what}`,
      dims: [channels],
      offset: offset + i * channels,
      length: channels,
    })),
  );

/** Whether a tensor of these holds variances. */
export const isVariance = (name: string): boolean => name.endsWith(".running_var");

/** Which inputs of a BatchNormalization are its running mean and variance. */
const [meanInput, varianceInput] = [3, 4];

/**
 * The batch normalisations of a graph whose statistics are constants. Throws PetalfaceError if
 * there are none.
 */
export function findNorms(graph: Graph, path: string): Norms {
  let length = 0;
  const all = graph.nodes.flatMap((node): Norm[] => {
    if (node.op !== "BatchNormalization" || node.domain !== "") return [];
    const [mean, variance] = [meanInput, varianceInput].map((input) => graph.constants.get(node.inputs[input] ?? ""));
    const [channels] = mean?.dims ?? [];
    if (channels === undefined || variance === undefined || mean?.dtype !== "float32" || node.outputs.length > 1)
      return [];
    const norm = { node: node.name, channels, offset: length };
    length += 2 * channels;
    return [norm];
  });
  if (all.length === 0)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${path}: 'batchNorm=train' needs BatchNormalization nodes, and it has none: its batch normalisations were folded into its layers, or it never had any; use 'batchNorm=frozen', or a file that was exported without folding`,
    );
  return { all, length };
}

/** The running statistics that the backbone comes with. */
export async function initialStatistics({ graph }: Backbone, norms: Norms): Promise<Float32Array> {
  const statistics = new Float32Array(norms.length);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  for (const { node, channels, offset } of norms.all)
    for (const [i, input] of [meanInput, varianceInput].entries()) {
      const constant = graph.constants.get(nodes.get(node)?.inputs[input] ?? "");
      if (constant === undefined) throw new Error(`no statistics at ${node}`);
      statistics.set(floatData(readTensor(constant)), offset + i * channels);
    }
  return statistics;
}

/** The statistics of a batch in a graph. */
export interface BatchStatistics {
  /** Means and (population) variances as one vector, which lies as {@link Norms} says. */
  readonly value: string;
  /** How many numbers of a channel each norm saw. */
  readonly samples: readonly number[];
}

/** Rewrites the batch normalisations of a graph while it is copied. */
export interface NormRewriter {
  /** The node with the builder's names in, the node to push out. `original` is the graph's. */
  rewrite(node: Node, original: Node): Node;
  /** Of the batch, where the norms take those. Once all nodes are copied. */
  statistics(): BatchStatistics;
}

/**
 * Gives the norms of a graph other statistics: numbers, or `batch` for those of the batch that is
 * normalised, as in training (of fixed size then).
 */
export function normRewriter(b: GraphBuilder, norms: Norms, from: Float32Array | "batch"): NormRewriter {
  const byNode = new Map(norms.all.map((norm) => [norm.node, norm]));
  const made: string[] = [];
  const samples: number[] = [];
  return {
    rewrite(node, original) {
      const norm = byNode.get(original.name);
      if (norm === undefined) return node;
      const { channels, offset } = norm;
      if (from === "batch") {
        const outputs = ["mean", "variance"].map((what) => b.fresh(`${node.name}_batch_${what}`));
        made.push(...outputs);
        samples.push(sizeOf(staticDims(b.shape(itemAt(node.inputs, 0)))) / channels);
        // With momentum 0 its further outputs are the batch's own statistics.
        const attributes = { ...node.attributes, training_mode: { int: 1 }, momentum: { float: 0 } };
        return { ...node, outputs: [itemAt(node.outputs, 0), ...outputs], attributes };
      }
      const constant = (start: number, name: string): string =>
        b.constant({ dtype: "float32", dims: [channels], data: from.slice(start, start + channels) }, name);
      const mean = constant(offset, `${node.name}_mean`);
      const variance = constant(offset + channels, `${node.name}_variance`);
      const inputs = node.inputs.map((name, i) => (i === meanInput ? mean : i === varianceInput ? variance : name));
      return { ...node, inputs };
    },
    statistics: () => ({
      value: b.add("Concat", made, { axis: { int: 0 } }, { name: "batch_statistics" }),
      samples,
    }),
  };
}
