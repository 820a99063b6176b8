import {
  type Graph,
  itemAt,
  type Node,
  type Ops,
  type Shape,
  sizeOf,
  staticDims,
  traceRows,
  type ValueRows,
} from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { random } from "../random.ts";
import { residualSums } from "./branches.ts";
import { gating } from "./gating.ts";

/** What a training graph sets to 0 at random, as shares; nothing where absent. */
export interface NoiseOptions {
  /** Of the rank channels of each site. */
  readonly rank?: number | undefined;
  /** Of the numbers that an adapter adds to its product. */
  readonly output?: number | undefined;
  /**
   * Of the images that a residual branch leaves out: from 0 in the first block to this in the last.
   */
  readonly path?: number | undefined;
  /** Of the numbers that the last product sees. */
  readonly feature?: number | undefined;
}

/** A graph input with new random values in every step. */
export interface NoiseInput {
  readonly name: string;
  /** Of one image. */
  readonly dims: readonly number[];
  /**
   * Uniform in [0, `below`); a mask: 0 with the probability of the column, `shares[column]` (one
   * for all if there is one), else 1 / (1 - share); or a selection: each of the image's rows holds
   * one 1, all in different columns of `of`, in random order.
   */
  readonly draw: { readonly below: number } | { readonly shares: readonly number[] } | { readonly of: number };
}

/** Adds random zeros while a graph is copied. */
export interface Noise {
  readonly inputs: readonly NoiseInput[];
  /**
   * The node with the builder's names in, the node to push out; nodes before it are pushed here.
   */
  rewrite(node: Node, original: Node): Node;
  /** Factors on the rank channels of a site, `[N, rank]`; undefined where none is set to 0. */
  ranks(site: string): string | undefined;
  /**
   * Sets parts of an adapter's output `delta` to 0. Features lie along `axis`; `key` distinguishes
   * the parts of a network.
   */
  output(delta: string, axis: number, key: string): string;
}

/**
 * Two uniform numbers a row below this make the masks of a row: with two numbers a column their
 * products run through many periods of 1.
 */
const period = 512;

/**
 * Prepares the noise of a graph (given with its batch open) whose batch is to be `batch`. `ranks`:
 * the rank channels of each site, in graph order.
 */
export function noiseOf(
  o: Ops,
  graph: Graph,
  ranks: ReadonlyMap<string, number>,
  batch: number,
  options: NoiseOptions,
): Noise {
  const { rank = 0, output = 0, path = 0, feature = 0 } = options;
  const b = o.builder;
  const inputs: NoiseInput[] = [];
  const input = (name: string, width: number, draw: NoiseInput["draw"]): string => {
    inputs.push({ name, dims: [width], draw });
    return b.input(name, { dtype: "float32", shape: [batch, width] });
  };
  const channels = [...ranks.values()];
  const masks =
    rank > 0
      ? o.split(
          input(
            "dropout",
            channels.reduce((sum, each) => sum + each, 0),
            { shares: [rank] },
          ),
          channels,
          1,
        )
      : [];
  const masksBySite = new Map([...ranks.keys()].map((site, index) => [site, masks[index]]));
  const rows = path > 0 ? traceRows(graph) : new Map<string, ValueRows>();
  const branches = path > 0 ? branchShares(graph, rows, path) : new Map<string, never>();
  if (path > 0 && branches.size === 0)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      "'dropPath' needs residual branches, x + f(x), and this network has none; give 'dropPath=0'",
    );
  const kept = [...branches.values()].map(({ share }) => share);
  const pieces =
    branches.size > 0
      ? o.split(
          input("drop_path", kept.length, { shares: kept }),
          kept.map(() => 1),
          1,
        )
      : [];
  const last = feature > 0 ? lastProduct(graph) : undefined;
  if (feature > 0 && last === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      "'featureDropout' needs a MatMul or Gemm, and this network has none; give 'featureDropout=0'",
    );
  const replaced = (node: Node, at: number, value: string): Node => ({
    ...node,
    inputs: node.inputs.map((name, index) => (index === at ? value : name)),
  });
  const columns = random("output dropout");
  return {
    inputs,
    ranks: (site) => masksBySite.get(site),
    rewrite(node, original) {
      const branch = branches.get(original.name);
      if (branch !== undefined) {
        const value = itemAt(node.inputs, branch.branch);
        const place = rows.get(itemAt(original.inputs, branch.branch));
        if (place?.kind !== "images") return node;
        const { axis } = place.place;
        const masked = gating(o, itemAt(pieces, branch.column)).apply(
          value,
          axis === 0 ? o.rank(value) - 1 : 0,
          place.place,
        );
        return replaced(node, branch.branch, masked);
      }
      if (original.name !== last?.node) return node;
      const value = itemAt(node.inputs, last.input);
      const shape = o.shape(value);
      const width = sizeOf(staticDims(shape)) / batch;
      const mask = o.reshape(input("feature_dropout", width, { shares: [feature] }), shape);
      return replaced(node, last.input, o.mul(value, mask));
    },
    output(delta, axis, key) {
      if (output === 0) return delta;
      const shape = o.dims(delta);
      const channels = itemAt(shape, axis);
      const perRow: Shape = shape.map((dim, at) => (at === axis ? 1 : dim));
      const perColumn = shape.map((_, at) => (at === axis ? channels : 1));
      const positions = shape.reduce((product, dim) => product * dim, 1) / channels / batch;
      const drawn = o.split(
        input(`output_dropout/${key}`, 2 * positions, { below: period }),
        [positions, positions],
        1,
      );
      const terms = drawn.map((part) => {
        const factors = Float32Array.from({ length: channels }, () => 1 + columns.uniform());
        return o.mul(o.reshape(part, perRow), o.floats(factors, perColumn));
      });
      const sum = o.sum(terms);
      const uniform = o.sub(sum, b.add("Floor", [sum]));
      const mask = o.cast(o.greaterOrEqual(uniform, output), "float32");
      return o.mul(delta, o.mul(mask, 1 / (1 - output)));
    },
  };
}

/**
 * The residual sums that leave branches out, by name: which input is the branch, and the share of
 * images. Where branches hold an attention (a softmax), a block begins with each of those;
 * elsewhere every branch is a block.
 */
function branchShares(
  graph: Graph,
  rows: ReadonlyMap<string, ValueRows>,
  most: number,
): Map<string, { branch: 0 | 1; column: number; share: number }> {
  const sums = residualSums(graph, rows);
  const attends = sums.map(({ nodes }) => [...nodes].some(({ op }) => op === "Softmax" || op === "Attention"));
  const begins = attends.includes(true) ? attends : attends.map(() => true);
  let block = -1;
  const blocks = begins.map((begin) => {
    if (begin) block++;
    return Math.max(block, 0);
  });
  return new Map(
    sums.map(({ sum, branch }, column) => [
      sum.name,
      { branch, column, share: block > 0 ? (most * itemAt(blocks, column)) / block : most },
    ]),
  );
}

/**
 * The last product with a constant weight: the embedding projection; and which of its inputs is not
 * the weight.
 */
function lastProduct(graph: Graph): { node: string; input: 0 | 1 } | undefined {
  const node = graph.nodes.findLast(
    ({ op, inputs }) =>
      (op === "MatMul" || op === "Gemm") && inputs.slice(0, 2).some((input) => graph.constants.has(input)),
  );
  return node && { node: node.name, input: graph.constants.has(itemAt(node.inputs, 0)) ? 1 : 0 };
}
