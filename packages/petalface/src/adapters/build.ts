import { copyGraph, type Graph, GraphBuilder, type Node, ops, setBatch } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";
import { buildAlpha } from "../quality/index.ts";
import { type AdapterConfig, gateAt, rankAt } from "./config.ts";
import { buildGate } from "./gate.ts";
import { type Gating, gating } from "./gating.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { lowRankDelta } from "./low-rank.ts";
import { scaledUp, tailsOf } from "./tail.ts";

/** How {@link buildAdapted} makes its graph. */
export interface BuildOptions {
  /** Trained numbers: a vector to freeze into the graph, or `input` for a graph input `theta`. */
  readonly theta: Float32Array | "input";
  /** Alpha: judged from the image inside the graph, a graph input `alpha` `[N]`, or one number for every image. */
  readonly alpha: "quality" | "input" | number;
  /** Fixed batch; open unless given. */
  readonly batch?: number;
  /** Adds a graph input `dropout` `[N, rank channels of all sites]`: factors on them for each image, site after site. Needs a fixed batch. */
  readonly dropout?: boolean;
}

/** An adapted network under construction: the builder, and the names of its values. */
export interface AdaptedBuild {
  readonly builder: GraphBuilder;
  readonly input: string;
  /** Embeddings `[N, width]`. */
  readonly embedding: string;
  /** Alpha `[N]`. */
  readonly alpha: string;
  readonly layout: Layout;
}

/**
 * Puts an adapter into its backbone: `y = frozen(x) + up(gate(alpha) * down(x))` at every site (docs/METHOD.md, 1), or the trained weights
 * in place of the frozen ones. Input and output keep the backbone's names.
 */
export function buildAdapted(backbone: Backbone, config: AdapterConfig, options: BuildOptions): AdaptedBuild {
  const graph = options.batch === undefined ? backbone.graph : setBatch(backbone.graph, options.batch);
  const layout = layoutOf(backbone, config);
  const b = new GraphBuilder({ name: graph.name, opset: graph.opset });
  const o = ops(b);
  const input = b.input(
    backbone.input,
    graph.types.get(backbone.input) as NonNullable<ReturnType<Graph["types"]["get"]>>,
  );
  const trained = trainedValues(b, layout, options.theta);
  const alpha = alphaValue(b, backbone, config, input, options.alpha);
  const lowRank = config.method === "lora";
  // Where every image has the same gate there is none: the scale goes into the small weights.
  const gate = config.gate === "single" || !lowRank ? "" : buildGate(b, config.gate, alpha, config.rank, config.scale);
  const shared = gate === "" ? undefined : gating(o, gate);
  const masks = lowRank && options.dropout === true ? dropoutMasks(b, layout, config, options.batch ?? 1) : undefined;
  const isGated = (site: string): boolean => gate !== "" && gateAt(config, site) !== "single";
  const gatingAt = (site: string): Gating | undefined => {
    const mask = masks?.get(site);
    if (mask === undefined) return isGated(site) ? shared : undefined;
    return gating(o, isGated(site) ? o.mul(gate, mask) : mask);
  };
  const ends = tailsOf(graph, layout.sites);
  const copied = new Map<string, Node>();

  const push = (node: Node, original: Node): void => {
    copied.set(original.name, node);
    const ending = ends.get(original.name);
    if (ending === undefined) {
      b.push(node);
      return;
    }
    const { site, tail } = ending;
    const output = node.outputs[0] as string;
    const frozen = b.fresh(`${output}_frozen`);
    b.push({ ...node, outputs: [frozen] });
    const copyOf = (of: string): Node => copied.get(of) as Node;
    const trainedUp = trained.get(`${site.name}.lora_B.weight`) as string;
    const up = scaledUp(
      o,
      trainedUp,
      site,
      tail.factors.map((factor) => copyOf(factor.name)),
    );
    const delta = lowRankDelta(b, o, site, copyOf(site.name), frozen, {
      down: trained.get(`${site.name}.lora_A.weight`) as string,
      up: !isGated(site.name) && config.scale !== 1 ? o.mul(up, config.scale) : up,
      gating: gatingAt(site.name),
    });
    b.push({
      op: "Add",
      domain: "",
      name: b.fresh(`${copyOf(site.name).name}_adapted`),
      inputs: [frozen, delta],
      outputs: [output],
      attributes: {},
    });
  };

  const replaced = lowRank ? new Map<string, string>() : trained;
  const names = copyGraph(b, graph, { inputs: new Map([[backbone.input, input]]), constants: replaced, push });
  return { builder: b, input, embedding: names.get(backbone.output) as string, alpha, layout };
}

function alphaValue(
  b: GraphBuilder,
  backbone: Backbone,
  config: AdapterConfig,
  input: string,
  alpha: BuildOptions["alpha"],
): string {
  const o = ops(b);
  if (alpha === "quality") return buildAlpha(b, backbone, config.calibration, input);
  const batch = b.shape(input)[0] as number;
  if (alpha === "input") return b.input("alpha", { dtype: "float32", shape: [batch] });
  // One number per image without knowing how many there are: zero times something of that length, plus the number.
  const perImage = o.reduceMean(input, [1, 2, 3], false);
  return o.add(o.mul(perImage, 0), alpha);
}

/** The graph input `dropout` cut into one mask `[N, rank]` a site, by site name. */
function dropoutMasks(b: GraphBuilder, layout: Layout, config: AdapterConfig, batch: number): Map<string, string> {
  const ranks = layout.sites.map((site) => rankAt(config, site.name));
  const width = ranks.reduce((sum, rank) => sum + rank, 0);
  const all = b.input("dropout", { dtype: "float32", shape: [batch, width] });
  const pieces = ops(b).split(all, ranks, 1);
  return new Map(layout.sites.map((site, index) => [site.name, pieces[index] as string]));
}

/** Theta cut into its tensors: by slot name. One Split, so that the gradient of theta is one Concat. */
function trainedValues(b: GraphBuilder, layout: Layout, theta: Float32Array | "input"): Map<string, string> {
  const o = ops(b);
  if (theta !== "input")
    return new Map(
      layout.slots.map((slot) => [
        slot.name,
        b.constant(
          { dtype: "float32", dims: slot.dims, data: theta.slice(slot.offset, slot.offset + slot.length) },
          slot.name,
        ),
      ]),
    );
  const vector = b.input("theta", { dtype: "float32", shape: [layout.length] });
  const pieces = o.split(
    vector,
    layout.slots.map((slot) => slot.length),
    0,
  );
  return new Map(layout.slots.map((slot, index) => [slot.name, o.reshape(pieces[index] as string, slot.dims)]));
}
