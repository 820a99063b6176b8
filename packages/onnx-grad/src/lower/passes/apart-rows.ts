import type { Ops } from "../../build/ops.ts";
import { intOf } from "../../graph/attributes.ts";
import type { Graph, Node } from "../../graph/graph.ts";
import { entryOf, itemAt, lastOf } from "../../graph/item-at.ts";
import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";

/**
 * Numbers of 4096 bytes: rows that lie a multiple of it apart share one set of the processor's
 * first cache.
 */
const distance = 1024;
/** Columns added: a cache line. */
const more = 16;

/** Functions of each element that are finite where their operands are. */
const elementwise: ReadonlySet<string> = new Set(
  "Abs Add Elu Erf Exp Gelu HardSigmoid HardSwish Identity LeakyRelu Mish Mul Neg Relu Selu Sigmoid Softplus Sub Swish Tanh".split(
    " ",
  ),
);

/** A product of one value with a constant matrix. */
const isProduct = (node: Node, graph: Graph): boolean => {
  const weight = graph.constants.get(node.inputs[1] ?? "");
  const matrix = weight?.dtype === "float32" && weight.dims.length === 2;
  return (
    matrix && node.domain === "" && (node.op === "MatMul" || (node.op === "Gemm" && intOf(node, "transA", 0) === 0))
  );
};

/** Where values of a graph come from and go to, and how long their last axis is. */
function mapOf(graph: Graph) {
  const producers = new Map<string, Node>();
  const users = new Map<string, Set<Node>>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) producers.set(output, node);
    for (const input of node.inputs) users.set(input, (users.get(input) ?? new Set()).add(node));
  }
  const width = (value: string): number => {
    const last = (graph.types.get(value)?.shape ?? graph.constants.get(value)?.dims ?? []).at(-1) ?? 1;
    return typeof last === "number" ? last : Number.NaN;
  };
  return { producers, users, width };
}

/** Values that get more columns, and the nodes around them by their one output. */
interface Region {
  readonly values: ReadonlySet<string>;
  readonly nodes: ReadonlyMap<string, Node>;
}

/** The values that have to grow together with `start`; undefined where one of them cannot. */
function regionOf(
  graph: Graph,
  { producers, users, width }: ReturnType<typeof mapOf>,
  start: string,
): Region | undefined {
  const size = width(start);
  const values = new Set([start]);
  const nodes = new Map<string, Node>();
  const isConstant = (value: string): boolean => graph.constants.has(value);
  /** The values of a node that grow if one of them does; undefined if they cannot. */
  const together = (node: Node): readonly string[] | undefined => {
    const [output = ""] = node.outputs;
    if (node.domain !== "" || node.outputs.length !== 1) return undefined;
    if (isProduct(node, graph)) {
      const added = node.inputs[2] ?? "";
      return added === "" || isConstant(added) || !(values.has(added) || values.has(output)) ? [] : undefined;
    }
    if (node.op === "Reshape") {
      const [x = "", to = ""] = node.inputs;
      return width(x) === size && width(output) === size && isConstant(to) ? [x, output] : undefined;
    }
    const fits = node.inputs.every((input) => {
      const { dtype } = graph.types.get(input) ?? graph.constants.get(input) ?? {};
      return dtype === "float32" && (width(input) === size || width(input) === 1);
    });
    if (!elementwise.has(node.op) || !fits) return undefined;
    return [...node.inputs.filter((input) => width(input) === size && !isConstant(input)), output];
  };
  for (const value of values) {
    const producer = producers.get(value);
    if (producer === undefined || graph.outputs.includes(value)) return undefined;
    for (const node of [producer, ...(users.get(value) ?? [])]) {
      const others = together(node);
      if (others === undefined) return undefined;
      nodes.set(itemAt(node.outputs, 0), node);
      for (const other of others) values.add(other);
    }
  }
  return { values, nodes };
}

/** All regions that some product reads rows of an unlucky length from. */
function regionsOf(graph: Graph): Region {
  const map = mapOf(graph);
  const values = new Set<string>();
  const nodes = new Map<string, Node>();
  for (const node of graph.nodes) {
    const [x = ""] = node.inputs;
    if (values.has(x) || !isProduct(node, graph) || map.width(x) % distance !== 0) continue;
    const region = regionOf(graph, map, x);
    for (const value of region?.values ?? []) values.add(value);
    for (const [output, around] of region?.nodes ?? []) nodes.set(output, around);
  }
  return { values, nodes };
}

/** How nodes of a region are built again. */
function rebuild({ values, nodes }: Region): (o: Ops, node: Node) => string[] {
  const made = new Map<string, string>();
  /**
   * A constant followed by zeros along an axis: the engine computes it once, when it loads the
   * graph.
   */
  const longer = (o: Ops, constant: string, axis: number): string => {
    const key = `${axis} ${constant}`;
    const known = made.get(key);
    if (known !== undefined) return known;
    const dims = o.dims(constant).map((dim, i) => (i === axis ? more : dim));
    const result = o.concat([constant, o.full(0, dims, constant)], axis);
    made.set(key, result);
    return result;
  };
  return (o, node) => {
    const [output = ""] = node.outputs;
    const original = entryOf(nodes, output);
    const grows = values.has(output);
    const [x = "", second = "", ...others] = node.inputs;
    if (node.op === "Reshape") return [o.reshape(x, [...o.shape(output).slice(0, -1), lastOf(o.shape(x))])];
    const last = (value: string): string => {
      const shape = o.shape(value);
      return o.builder.constantOf(value) === undefined || (shape.at(-1) ?? 1) === 1
        ? value
        : longer(o, value, shape.length - 1);
    };
    const add = (inputs: readonly string[]) => [o.builder.add(node.op, inputs, node.attributes)];
    if (elementwise.has(node.op)) return add(node.inputs.map(last));
    const transposed = intOf(node, "transB", 0);
    let matrix = second;
    if (values.has(itemAt(original.inputs, 0))) matrix = longer(o, matrix, transposed);
    if (grows) matrix = longer(o, matrix, 1 - transposed);
    return add([x, matrix, ...(grows ? others.map(last) : others)]);
  };
}

/**
 * Values that a product reads in rows of a multiple of 4096 bytes get a few more columns, of zeros
 * in the end: the rows that the product's kernel reads side by side would share one set of the
 * first cache and push each other out. `[800, 3072]` by `[3072, 768]`: 97 GFLOP/s as it is, 106
 * with 3088 columns. Only where all around is elementwise or a product with a constant matrix, so
 * that the matrices carry the columns and nothing is copied; what is computed there is what the
 * same functions are at 0, and meets rows of zeros at the end of each sum, which keeps its bits.
 */
export const apartRows: Pass = {
  name: "apart-rows",
  targets: ["cpu"],
  exact: true,
  copiesWeights: true,
  floatProducts: true,
  run: (graph) => {
    const region = regionsOf(graph);
    return replaceNodes(graph, ({ outputs: [output = ""] }) => region.nodes.has(output), rebuild(region));
  },
};
