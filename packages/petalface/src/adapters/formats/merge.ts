import {
  type Constant,
  copyGraph,
  entryOf,
  floatData,
  flushNegligible,
  type Graph,
  GraphBuilder,
  type Node,
  ops,
  readTensor,
  type Tensor,
} from "onnx-grad";
import type { Backbone } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { normRewriter } from "../batch-norm.ts";
import { centredBy } from "../centre.ts";
import { type Adapter, adaptsSites, gateAt, rankAt } from "../config.ts";
import { gateWeights } from "../gate.ts";
import { layoutOf, type Slot } from "../layout.ts";
import { leastLength, weightLengths } from "../magnitude.ts";
import { renameValues } from "../own-names.ts";
import type { Site } from "../sites.ts";

/**
 * The plain network that an adapter makes of its backbone at one fixed alpha:
 * `W + scale * up diag(gate) down` in every layer. As fast as the frozen network. Refused where
 * alpha still decides, i.e. no number is given for a gate that uses it.
 *
 * Numbers that training leaves in dead channels are zero, as in an opened backbone: subnormal
 * products of them made a face cost up to half as much again.
 */
export async function mergeAdapter(backbone: Backbone, adapter: Adapter, alpha: number | undefined): Promise<Graph> {
  const { config, theta } = adapter;
  if (config.method === "lora" && config.gate !== "single" && alpha === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `a ${config.gate} gate depends on every image's alpha, so it cannot be merged into the weights; give a fixed 'alpha', or export with 'alpha=quality'`,
    );
  const layout = layoutOf(backbone, config);
  const { graph } = backbone;
  const b = new GraphBuilder({ name: graph.name, opset: graph.opset });
  const input = b.input(backbone.input, entryOf(graph.types, backbone.input));
  const constants = new Map(graph.constants);
  /** Names of merged weights by site: layers that share a weight each get their own. */
  const merged = new Map<string, string>();
  const slots = new Map(layout.slots.map((slot) => [slot.name, slot]));
  if (config.method === "lora") {
    for (const site of layout.sites) {
      const weights = gateWeights(gateAt(config, site.name), alpha ?? 1);
      const rank = rankAt(config, site.name);
      const gated = Float64Array.from({ length: rank }, (_, r) => {
        const part = Math.floor((r * weights.length) / rank);
        return weights[part] * config.scale;
      });
      // Where the gate is closed the layer is the frozen one, in its file.
      if (gated.every((weight) => weight === 0)) continue;
      const frozen = entryOf(graph.constants, site.weight);
      const down = entryOf(slots, `${site.name}.lora_A.weight`);
      const up = entryOf(slots, `${site.name}.lora_B.weight`);
      const weight = await mergedWeight(site, frozen, theta, down, up, gated);
      merged.set(site.name, b.constant(weight, `${site.weight}_merged`));
    }
  } else if (config.method === "dora")
    for (const site of layout.sites) {
      const part = (name: string): Slot => entryOf(slots, `${site.name}.${name}`);
      const whole = new Float64Array(config.rank).fill(config.scale);
      const frozen = entryOf(graph.constants, site.weight);
      const direction = await mergedWeight(site, frozen, theta, part("lora_A.weight"), part("lora_B.weight"), whole);
      const { data } = direction;
      const lengths = weightLengths(site, direction, data);
      const { offset } = part("lora_magnitude_vector");
      const columns = data.length / site.outputs;
      const scaled = data.map((value, at) => {
        const output = site.outFirst ? Math.floor(at / columns) : at % site.outputs;
        return (value / Math.max(lengths[output], leastLength)) * theta[offset + output];
      });
      merged.set(site.name, b.constant({ ...direction, data: scaled }, `${site.weight}_merged`));
    }
  else
    for (const slot of layout.slots)
      constants.set(slot.of, {
        dtype: "float32",
        dims: slot.dims,
        data: theta.slice(slot.offset, slot.offset + slot.length),
      });
  const operands = new Map(layout.sites.map((site) => [site.name, site.operand]));
  const normal = adapter.statistics && normRewriter(b, layout.norms, adapter.statistics);
  const push = (pristine: Node, original: Node): void => {
    const node = normal?.rewrite(pristine, original) ?? pristine;
    const weight = merged.get(original.name);
    if (weight === undefined) b.push(node);
    else {
      const operand = operands.get(original.name);
      b.push({ ...node, inputs: node.inputs.map((name, index) => (index === operand ? weight : name)) });
    }
  };
  const names = copyGraph(b, { ...graph, constants }, { inputs: new Map([[backbone.input, input]]), push });
  const output = centredBy(ops(b), entryOf(names, backbone.output), 1 - (alpha ?? 1), config.centre);
  const whole = renameValues(b.build([output]), new Map([[output, backbone.output]]));
  const trained = adaptsSites(config.method) ? [...merged.values()] : layout.slots.map((slot) => slot.of);
  return flushNegligible(whole, trained);
}

type FloatTensor = Extract<Tensor, { readonly dtype: "float32" }>;

async function mergedWeight(
  site: Site,
  frozen: Constant,
  theta: Float32Array,
  down: Slot,
  up: Slot,
  gated: Float64Array,
): Promise<FloatTensor> {
  const weight = readTensor(frozen);
  const data = floatData(weight).slice();
  const rank = gated.length;
  const columns = down.length / rank;
  for (let out = 0; out < site.outputs; out++)
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let r = 0; r < rank; r++)
        sum += theta[up.offset + out * rank + r] * gated[r] * theta[down.offset + r * columns + column];
      const at = site.outFirst ? out * columns + column : column * site.outputs + out;
      data[at] += sum;
    }
  return { dtype: "float32", dims: weight.dims, data };
}
