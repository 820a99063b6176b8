import { entryOf, type Graph, itemAt, type Node, type Ops, type Shape, sameShape, sizeOf } from "onnx-grad";
import type { Site } from "./sites.ts";

/**
 * What a graph does to the output of a site by constants alone, one factor and one shift a channel
 * (a bias of its own, a batch normalisation, a layer scale). onnxruntime folds such nodes into the
 * layer's weights, so an adapter adds its part behind them, times the factors: the frozen part of
 * the adapted network is then computed as in the frozen network, to the bit.
 */
export interface Tail {
  /** The last node, the site's own if nothing follows. */
  readonly end: Node;
  /** The nodes that multiply, in order. */
  readonly factors: readonly Node[];
}

/**
 * The tails of sites, by the name of their last node. `norms` false: batch normalisations are not
 * constants, and end a tail.
 */
export function tailsOf(
  graph: Graph,
  sites: readonly Site[],
  norms = true,
): ReadonlyMap<string, { site: Site; tail: Tail }> {
  const users = new Map<string, Node[]>();
  for (const node of graph.nodes)
    for (const input of node.inputs) users.set(input, [...(users.get(input) ?? []), node]);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  return new Map(
    sites.map((site) => {
      const tail = tailOf(graph, site, entryOf(nodes, site.name), users, norms);
      return [tail.end.name, { site, tail }];
    }),
  );
}

function tailOf(
  graph: Graph,
  site: Site,
  own: Node,
  users: ReadonlyMap<string, readonly Node[]>,
  norms: boolean,
): Tail {
  const shape = graph.types.get(site.output)?.shape ?? [];
  const factors: Node[] = [];
  let end = own;
  for (;;) {
    const value = itemAt(end.outputs, 0);
    const [next, ...others] = users.get(value) ?? [];
    if (next === undefined || others.length > 0 || graph.outputs.includes(value) || next.domain !== "") break;
    if (!sameShape(graph.types.get(itemAt(next.outputs, 0))?.shape ?? [], shape)) break;
    const constant = (index: number): Shape | undefined => graph.constants.get(next.inputs[index] ?? "")?.dims;
    const dims = constant(next.inputs[0] === value ? 1 : 0);
    const perChannel = dims !== undefined && isPerChannel(dims, shape, channelAxis(site, shape));
    if (next.op === "BatchNormalization") {
      const known = norms && [1, 2, 3, 4].every((index) => constant(index) !== undefined) && next.inputs[0] === value;
      if (!known || channelAxis(site, shape) !== 1 || next.outputs.length > 1 || "training_mode" in next.attributes)
        break;
      factors.push(next);
    } else if (next.op === "Mul" && perChannel) factors.push(next);
    else if (!(next.op === "Add" && perChannel)) break;
    end = next;
  }
  return { end, factors };
}

/** The axis of a site's output that its features lie along. */
const channelAxis = (site: Site, shape: Shape): number =>
  site.op === "Conv" ? 1 : shape.length - (site.operand === 0 ? 2 : 1);

/**
 * Whether a constant of these dimensions, aligned from the right, is one number for each channel,
 * or one for all.
 */
function isPerChannel(dims: Shape, shape: Shape, channel: number): boolean {
  const offset = shape.length - dims.length;
  return dims.every((dim, at) => dim === 1 || (at + offset === channel && dim === shape[channel]));
}

/** The up projection `[out, rank]` times the factors of a tail, given as nodes of the builder. */
export function scaledUp(o: Ops, up: string, site: Site, factors: readonly Node[]): string {
  return factors.reduce((product, node) => o.mul(product, factorOf(o, node, site)), up);
}

/** One factor for each output feature `[out, 1]`, or one for all `[1, 1]`. */
function factorOf(o: Ops, node: Node, site: Site): string {
  if (node.op === "BatchNormalization") {
    const [, scale = "", , , variance = ""] = node.inputs;
    const epsilon = node.attributes.epsilon;
    const deviation = o.sqrt(o.add(variance, epsilon !== undefined && "float" in epsilon ? epsilon.float : 1e-5));
    return o.reshape(o.div(scale, deviation), [site.outputs, 1]);
  }
  const constant = itemAt(
    node.inputs.filter((name) => o.builder.constantOf(name) !== undefined),
    0,
  );
  const size = sizeOf(o.dims(constant));
  return o.reshape(constant, [size, 1]);
}
