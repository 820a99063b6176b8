import type { Graph, Node, Shape } from "onnx-grad";
import { printShape } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";

/** A layer of the backbone that can carry an adapter. */
export interface Site {
  /** Name of the node in the graph; unique. */
  readonly name: string;
  readonly op: "Conv" | "Gemm" | "MatMul";
  /** Name of the constant weight. */
  readonly weight: string;
  /** Input features: channels of a convolution, columns of a product. */
  readonly inputs: number;
  /** Output features. */
  readonly outputs: number;
  /** Kernel of a convolution, [1, 1] elsewhere. */
  readonly kernel: readonly [number, number];
  /** A product over features at each position: anything but a convolution that strides, pads or looks at neighbours. */
  readonly plain: boolean;
  /** Whether the weight is stored `[out, in, ...]` rather than `[in, out]`. */
  readonly outFirst: boolean;
  /** Pixels (or tokens) of the larger of input and output. */
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

/** Finds every constant-weight MatMul, Gemm and Conv of a graph: the sites, and the layers that cannot be one. */
export function findSites(graph: Graph): { readonly sites: Site[]; readonly unfit: UnfitLayer[] } {
  const sites: Site[] = [];
  const unfit: UnfitLayer[] = [];
  const shapeOf = (value: string): Shape => graph.types.get(value)?.shape ?? graph.constants.get(value)?.dims ?? [];
  for (const node of graph.nodes) {
    if (node.op !== "Conv" && node.op !== "Gemm" && node.op !== "MatMul") continue;
    const weight = graph.constants.get(node.inputs[1] ?? "");
    if (weight === undefined) continue;
    const name = node.name;
    const reason = whyUnfit(node, weight.dims, shapeOf(node.inputs[0] as string), shapeOf(node.outputs[0] as string));
    if (reason === undefined) sites.push(describe(node, weight.dims, shapeOf));
    else unfit.push({ name, op: node.op, reason });
  }
  return { sites, unfit };
}

const intsOf = (node: Node, name: string): readonly number[] => {
  const attribute = node.attributes[name];
  return attribute !== undefined && "ints" in attribute ? attribute.ints : [];
};

const intOf = (node: Node, name: string, otherwise: number): number => {
  const attribute = node.attributes[name];
  return attribute !== undefined && "int" in attribute ? attribute.int : otherwise;
};

function whyUnfit(node: Node, weight: readonly number[], input: Shape, output: Shape): string | undefined {
  if (node.op === "Conv" && intOf(node, "group", 1) !== 1) return "grouped convolution";
  if (node.op === "Conv" && weight.length !== 4) return `${weight.length - 2}-D convolution`;
  if (node.op !== "Conv" && weight.length !== 2) return `weight has ${weight.length} dimensions`;
  if (node.op === "Gemm" && intOf(node, "transA", 0) !== 0) return "transposed input";
  for (const shape of [input, output]) {
    const batch = shape[0];
    // Alpha is one number per image, so the rows of an image must be told from the graph: only [N, ...] for now.
    if (typeof batch === "object" && batch.times !== 1) return `rows ${printShape(shape)} are not one block per image`;
    if (shape.slice(1).some((dim) => typeof dim !== "number"))
      return `the batch is not the first dimension of ${printShape(shape)}`;
  }
  return undefined;
}

function describe(node: Node, weight: readonly number[], shapeOf: (value: string) => Shape): Site {
  const positions = Math.max(
    ...[node.inputs[0], node.outputs[0]].map((value) => {
      const shape = shapeOf(value as string);
      const inner = node.op === "Conv" ? shape.slice(2) : shape.slice(1, -1);
      return inner.reduce<number>((product, dim) => product * (dim as number), 1);
    }),
  );
  const [first = 0, second = 0, kh = 1, kw = 1] = weight;
  const transposed = node.op === "Conv" || (node.op === "Gemm" && intOf(node, "transB", 0) === 1);
  return {
    name: node.name,
    op: node.op as Site["op"],
    weight: node.inputs[1] as string,
    inputs: transposed ? second : first,
    outputs: transposed ? first : second,
    kernel: node.op === "Conv" ? [kh, kw] : [1, 1],
    outFirst: transposed,
    plain:
      node.op !== "Conv" ||
      (kh === 1 &&
        kw === 1 &&
        [...intsOf(node, "strides")].every((s) => s === 1) &&
        intsOf(node, "pads").every((p) => p === 0)),
    positions,
    parameters: weight.reduce((product, dim) => product * dim, 1),
  };
}

/**
 * The sites that a pattern names: `default`, `all`, `pointwise` (1x1 convolutions), `conv`, `linear` (MatMul and Gemm), or a
 * comma-separated list of names in which `*` stands for anything. Throws PetalfaceError if nothing matches.
 *
 * `default` is the recipe of docs/METHOD.md: the 1x1 convolutions except those of the first (largest) stage; every dense convolution
 * outside the first stage where there are no 1x1 ones; every MatMul and Gemm where there are no convolutions to speak of.
 */
export function selectSites(sites: readonly Site[], pattern = "default"): Site[] {
  const chosen = pattern === "default" ? defaultSites(sites) : sites.filter(matcher(pattern));
  if (chosen.length === 0)
    throw new PetalfaceError(
      `no layer matches --sites "${pattern}"; the model has ${sites.length}${sites.length > 0 ? `, for example "${sites[0]?.name}"` : ""} (petalface inspect lists them)`,
    );
  return chosen;
}

function defaultSites(sites: readonly Site[]): Site[] {
  const convolutions = sites.filter((site) => site.op === "Conv");
  const pointwise = convolutions.filter((site) => site.kernel[0] === 1 && site.kernel[1] === 1);
  const linear = sites.filter((site) => site.op !== "Conv");
  if (linear.length > convolutions.length) return linear;
  const family = pointwise.length * 2 >= convolutions.length ? pointwise : convolutions;
  const largest = Math.max(...family.map((site) => site.positions));
  return family.filter((site) => site.positions < largest);
}

function matcher(pattern: string): (site: Site) => boolean {
  if (pattern === "all") return () => true;
  if (pattern === "conv") return (site) => site.op === "Conv";
  if (pattern === "linear") return (site) => site.op !== "Conv";
  if (pattern === "pointwise") return (site) => site.op === "Conv" && site.kernel[0] === 1 && site.kernel[1] === 1;
  const names = pattern.split(",").map((part) => part.trim());
  const expressions = names.map(
    (name) =>
      new RegExp(
        `^${name
          .split("*")
          .map((piece) => piece.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"))
          .join(".*")}$`,
      ),
  );
  return (site) => expressions.some((expression) => expression.test(site.name));
}
