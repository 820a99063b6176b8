import {
  type BatchPlace,
  floatOf,
  type Graph,
  intOf,
  intsOf,
  itemAt,
  type Node,
  printDim,
  type Shape,
  traceRows,
  type ValueRows,
} from "onnx-grad";
import { nodesOnBranches } from "./branches.ts";

/** A layer of the backbone that can carry an adapter. */
export interface Site {
  /** Name of the node in the graph; unique. */
  readonly name: string;
  readonly op: "Conv" | "Gemm" | "MatMul";
  /** Name of the constant weight. */
  readonly weight: string;
  /** Names of the layer's input and output. */
  readonly input: string;
  readonly output: string;
  /** Which operand of the node is the weight: 1, or 0 for a product with the weight on the left. */
  readonly operand: 0 | 1;
  /** Input features: channels of a convolution, columns of a product. */
  readonly inputs: number;
  /** Output features. */
  readonly outputs: number;
  /** Kernel of a convolution, [1, 1] elsewhere. */
  readonly kernel: readonly [number, number];
  /**
   * A product over features at each position: anything but a convolution that strides, pads or
   * looks at neighbours.
   */
  readonly plain: boolean;
  /** Whether the weight is stored `[out, in, ...]` rather than `[in, out]`. */
  readonly outFirst: boolean;
  /**
   * Where the images of the batch lie in the output: along axis `axis`, index j belongs to image
   * floor(j / inner) mod N.
   */
  readonly rows: BatchPlace;
  /** Whether it lies on a residual branch. */
  readonly branch: boolean;
  /** Pixels (or tokens) of an image in the larger of input and output. */
  readonly positions: number;
  /** Weights of the layer. */
  readonly parameters: number;
}

/** A constant-weight layer that cannot carry an adapter, and why. */
export interface UnfitLayer {
  readonly name: string;
  readonly op: string;
  readonly reason: string;
}

/** What {@link findSites} finds, each list in graph order. */
export interface SiteList {
  readonly sites: readonly Site[];
  readonly unfit: readonly UnfitLayer[];
}

/**
 * Finds every constant-weight MatMul, Gemm and Conv of a graph with an open batch: the sites, and
 * the layers that cannot be one. Which rows of a site belong to which image follows from the graph
 * alone; `proveSites` checks it by running.
 */
export function findSites(graph: Graph): SiteList {
  const sites: Site[] = [];
  const unfit: UnfitLayer[] = [];
  const rows = traceRows(graph);
  const branches = nodesOnBranches(graph, rows);
  const shapeOf = (value: string): Shape => graph.types.get(value)?.shape ?? graph.constants.get(value)?.dims ?? [];
  for (const node of graph.nodes) {
    if (node.domain !== "" || (node.op !== "Conv" && node.op !== "Gemm" && node.op !== "MatMul")) continue;
    const operand = graph.constants.has(node.inputs[1] ?? "") ? 1 : node.op !== "Conv" ? 0 : undefined;
    const weight = operand === undefined ? undefined : graph.constants.get(itemAt(node.inputs, operand));
    if (weight === undefined || operand === undefined) continue;
    const { dims, dtype } = weight;
    const image = rows.get(itemAt(node.outputs, 0)) ?? { kind: "shared" };
    const reason = whyUnfit(node, dims, dtype) ?? whyLost(image);
    if (reason !== undefined || image.kind !== "images") {
      unfit.push({ name: node.name, op: node.op, reason: reason ?? "" });
      continue;
    }
    sites.push({ ...describe(node, operand, dims, shapeOf), rows: image.place, branch: branches.has(node) });
  }
  return { sites, unfit };
}

function whyUnfit(node: Node, weight: readonly number[], dtype: string): string | undefined {
  if (dtype !== "float32") return `weights are ${dtype}, not float32`;
  if (node.op === "Conv" && intOf(node, "group", 1) !== 1) return "grouped convolution";
  if (node.op === "Conv" && weight.length !== 4) return `${weight.length - 2}-D convolution`;
  if (node.op !== "Conv" && weight.length !== 2) return `weight has ${weight.length} dimensions`;
  if (node.op === "Gemm" && floatOf(node, "alpha", 1) !== 1) return "product with a separate factor";
  return undefined;
}

/** Alpha is one number for each image, so every row of a site must belong to one image. */
function whyLost(rows: ValueRows): string | undefined {
  if (rows.kind === "shared") return "does not depend on the image";
  return rows.kind === "lost" ? `cannot tell which row belongs to which image: ${rows.reason}` : undefined;
}

function describe(
  node: Node,
  operand: 0 | 1,
  weight: readonly number[],
  shapeOf: (value: string) => Shape,
): Omit<Site, "rows" | "branch"> {
  const [first = 0, second = 0, kh = 1, kw = 1] = weight;
  const transposed = node.op === "Gemm" && intOf(node, operand === 1 ? "transB" : "transA", 0) !== 0;
  // [out, in]: a convolution, a weight on the left, or the transpose of one on the right.
  const outFirst = node.op === "Conv" || (operand === 0) !== transposed;
  const [inputs, outputs] = outFirst ? [second, first] : [first, second];
  const elements = (value: string): number =>
    shapeOf(value).reduce<number>((product, dim) => product * (typeof dim === "number" ? dim : dim.times), 1);
  return {
    name: node.name,
    op: node.op as Site["op"],
    weight: itemAt(node.inputs, operand),
    input: itemAt(node.inputs, 1 - operand),
    output: itemAt(node.outputs, 0),
    operand,
    inputs,
    outputs,
    kernel: node.op === "Conv" ? [kh, kw] : [1, 1],
    outFirst,
    plain:
      node.op !== "Conv" ||
      (kh === 1 &&
        kw === 1 &&
        (intsOf(node, "strides") ?? []).every((s) => s === 1) &&
        (intsOf(node, "pads") ?? []).every((p) => p === 0)),
    positions: Math.max(
      elements(itemAt(node.inputs, 1 - operand)) / inputs,
      elements(itemAt(node.outputs, 0)) / outputs,
    ),
    parameters: weight.reduce((product, dim) => product * dim, 1),
  };
}

/**
 * The shape of a site's output for people, its batch axis as outer x N x inner:
 * `[N x 64, 49, 288]`.
 */
export function printRows(shape: Shape, { axis, outer, inner }: BatchPlace): string {
  const dims = shape.map((dim, at) => {
    if (at !== axis || typeof dim === "number") return printDim(dim);
    return [outer, dim.symbol, inner].filter((part) => part !== 1).join(" x ");
  });
  return `[${dims.join(", ")}]`;
}
