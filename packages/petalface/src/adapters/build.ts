import {
  copyGraph,
  entryOf,
  type Graph,
  GraphBuilder,
  itemAt,
  lastOf,
  type Node,
  ops,
  setBatch,
  staticDims,
} from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";
import { buildAlpha } from "../quality/index.ts";
import { type BatchStatistics, normRewriter } from "./batch-norm.ts";
import { centred } from "./centre.ts";
import { type AdapterConfig, adaptsSites, gateAt, rankAt } from "./config.ts";
import { buildGate, gateParts } from "./gate.ts";
import { type Gating, gating } from "./gating.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { type LowRank, lowRankDelta } from "./low-rank.ts";
import { magnitudeWeight } from "./magnitude.ts";
import { type NoiseInput, type NoiseOptions, noiseOf } from "./noise.ts";
import { scaledUp, tailsOf } from "./tail.ts";

/** How {@link buildAdapted} makes its graph. */
export interface BuildOptions {
  /** Trained numbers: a vector to freeze into the graph, or `input` for a graph input `theta`. */
  readonly theta: Float32Array | "input";
  /**
   * Alpha: judged from the image inside the graph, a graph input `alpha` `[N]`, or one number for
   * every image.
   */
  readonly alpha: "quality" | "input" | number;
  /** Fixed batch; open unless given. */
  readonly batch?: number;
  /** What is set to 0 at random; needs a fixed batch. */
  readonly noise?: NoiseOptions;
  /**
   * Running statistics of the configuration's batch normalisations, or `batch` for those of the
   * batch, as in training.
   */
  readonly statistics?: Float32Array | "batch" | undefined;
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
  /** The backbone's names of its nodes, by the names that the builder gave them. */
  readonly frozen: ReadonlyMap<string, string>;
  /** Inputs with new random values in every step. */
  readonly noise: readonly NoiseInput[];
  /** Values that gradients do not go through. */
  readonly fixed: readonly string[];
  /** With `statistics: "batch"`: the batch's own. */
  readonly batchStatistics?: BatchStatistics;
}

/**
 * Puts an adapter into its backbone: `y = frozen(x) + up(gate(alpha) * down(x))` at every site
 * (docs/method.md, 1), or the trained weights in place of the frozen ones. Input and output keep
 * the backbone's names.
 */
export function buildAdapted(backbone: Backbone, config: AdapterConfig, options: BuildOptions): AdaptedBuild {
  const graph = options.batch === undefined ? backbone.graph : setBatch(backbone.graph, options.batch);
  const layout = layoutOf(backbone, config);
  const b = new GraphBuilder({ name: graph.name, opset: graph.opset });
  const o = ops(b);
  const input = b.input(backbone.input, entryOf(graph.types, backbone.input));
  const trained = trainedValues(b, layout, options.theta);
  const alpha = alphaValue(b, backbone, config, input, options.alpha);
  const lowRank = config.method === "lora";
  // Where every image has the same gate there is none: the scale goes into the small weights.
  const gate = config.gate === "single" || !lowRank ? "" : buildGate(b, config.gate, alpha, config.rank, config.scale);
  const shared = gate === "" ? undefined : gating(o, gate);
  const ranks = new Map(layout.sites.map(({ name }) => [name, rankAt(config, name)]));
  const noise = noiseOf(o, backbone.graph, ranks, options.batch ?? 1, options.noise ?? {});
  const gateOf = (site: string): string => (gateAt(config, site) === "single" ? "" : gate);
  const gatingAt = (site: string): Gating | undefined => {
    const mask = noise.ranks(site);
    const own = gateOf(site);
    if (mask === undefined) return own === "" ? undefined : shared;
    return gating(o, own === "" ? mask : o.mul(own, mask));
  };
  const silenceAt = (site: string): LowRank["silence"] =>
    options.noise?.output
      ? {
          parts: gateParts(gateAt(config, site)),
          apply: (delta, axis, part) => noise.output(delta, axis, `${site}/${part}`),
        }
      : undefined;
  const { norms } = layout;
  if (norms.length > 0 && options.statistics === undefined) throw new Error("no running statistics for trained norms");
  const normal = options.statistics && normRewriter(b, norms, options.statistics);
  const ends = tailsOf(graph, lowRank ? layout.sites : [], options.statistics !== "batch");
  const copied = new Map<string, Node>();
  const backboneNames = new Map<string, string>();

  const push = (pristine: Node, original: Node): void => {
    const own = weights.get(original.name);
    const given =
      own === undefined
        ? pristine
        : { ...pristine, inputs: pristine.inputs.map((name, at) => (at === own.operand ? own.weight : name)) };
    const node = noise.rewrite(normal?.rewrite(given, original) ?? given, original);
    copied.set(original.name, node);
    backboneNames.set(node.name, original.name || node.name);
    const ending = ends.get(original.name);
    if (ending === undefined) {
      b.push(node);
      return;
    }
    const { site, tail } = ending;
    const output = itemAt(node.outputs, 0);
    const frozen = b.fresh(`${output}_frozen`);
    b.push({ ...node, outputs: [frozen, ...node.outputs.slice(1)] });
    const copyOf = (of: string): Node => entryOf(copied, of);
    const trainedUp = entryOf(trained, `${site.name}.lora_B.weight`);
    const up = scaledUp(
      o,
      trainedUp,
      site,
      tail.factors.map((factor) => copyOf(factor.name)),
    );
    const delta = lowRankDelta(b, o, site, copyOf(site.name), frozen, {
      down: entryOf(trained, `${site.name}.lora_A.weight`),
      up: gateOf(site.name) === "" && config.scale !== 1 ? o.mul(up, config.scale) : up,
      gating: gatingAt(site.name),
      silence: silenceAt(site.name),
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

  const fixed: string[] = [];
  /** A layer's weight of its own, since layers may share the frozen one. */
  const weights = new Map(
    config.method === "dora"
      ? layout.sites.map((site): [string, { weight: string; operand: number }] => {
          const constant = entryOf(graph.constants, site.weight);
          const of = (part: string): string => entryOf(trained, `${site.name}.${part}`);
          const parts = { down: of("lora_A.weight"), up: of("lora_B.weight"), magnitude: of("lora_magnitude_vector") };
          const frozen = { constant, name: b.constant(constant, site.weight) };
          const { weight, norm } = magnitudeWeight(b, site, frozen, parts, config.scale);
          fixed.push(norm);
          return [site.name, { weight, operand: site.operand }];
        })
      : [],
  );
  const replaced = adaptsSites(config.method) ? new Map<string, string>() : trained;
  const selections = selectionInputs(b, graph, backbone.input);
  const inputs = new Map([[backbone.input, input], ...selections.map(({ name }) => [name, name] as const)]);
  const names = copyGraph(b, graph, { inputs, constants: replaced, push });
  const embedding = entryOf(names, backbone.output);
  return {
    builder: b,
    input,
    embedding: config.centre ? centred(o, embedding, alpha, config.centre) : embedding,
    alpha,
    layout,
    frozen: backboneNames,
    noise: [...noise.inputs, ...selections],
    fixed,
    ...(options.statistics === "batch" && normal && { batchStatistics: normal.statistics() }),
  };
}

/** Inputs in addition to the image: which tokens pass, `[N, kept, tokens]`. */
function selectionInputs(b: GraphBuilder, graph: Graph, image: string): NoiseInput[] {
  return graph.inputs
    .filter((name) => name !== image)
    .map((name) => {
      const type = entryOf(graph.types, name);
      const dims = staticDims(type.shape.slice(1));
      return { name: b.input(name, type), dims, draw: { of: lastOf(dims) } };
    });
}

function alphaValue(
  b: GraphBuilder,
  backbone: Backbone,
  config: AdapterConfig,
  input: string,
  alpha: BuildOptions["alpha"],
): string {
  const o = ops(b);
  if (alpha === "quality") return buildAlpha(b, backbone, config.calibration, input, config.weights);
  const batch = itemAt(b.shape(input), 0);
  if (alpha === "input") return b.input("alpha", { dtype: "float32", shape: [batch] });
  // One number per image without knowing how many there are: zero times something of that length,
  // plus the number.
  const perImage = o.reduceMean(input, [1, 2, 3], false);
  return o.add(o.mul(perImage, 0), alpha);
}

/**
 * Theta cut into its tensors: by slot name. One Split, so that the gradient of theta is one Concat.
 */
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
  return new Map(layout.slots.map((slot, index) => [slot.name, o.reshape(itemAt(pieces, index), slot.dims)]));
}
