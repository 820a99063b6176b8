import { type Constant, sizeOf } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import { findNorms, type Norms, noNorms } from "./batch-norm.ts";
import { type AdapterConfig, adaptsSites, rankAt } from "./config.ts";
import { findSites, type Site } from "./sites.ts";

/** One trainable tensor inside theta. */
export interface Slot {
  /** Tensor name in `adapter_model.safetensors`. */
  readonly name: string;
  readonly dims: readonly number[];
  /** First element in theta. */
  readonly offset: number;
  readonly length: number;
  /**
   * `down` and `up` of a site, the `magnitude` of its outputs' weights, or a `weight` of the
   * backbone that is trained itself.
   */
  readonly role: "down" | "up" | "magnitude" | "weight";
  /** Site name, or constant name for a weight. */
  readonly of: string;
}

/** How theta is cut into tensors, and the sites in graph order. */
export interface Layout {
  readonly slots: readonly Slot[];
  readonly sites: readonly Site[];
  /** Length of theta: the number of trained numbers. */
  readonly length: number;
  /**
   * Batch normalisations whose running statistics belong to the adapter; none where they are
   * frozen.
   */
  readonly norms: Norms;
}

/** A network whose layers are asked for: a backbone, or one that is not written yet. */
export type Layered = Pick<Backbone, "graph" | "path">;

/**
 * The layout that a configuration has on its backbone. Throws PetalfaceError if a named site does
 * not exist.
 */
export function layoutOf(
  backbone: Layered,
  config: Pick<AdapterConfig, "method" | "gate" | "rank" | "sites" | "ungated" | "batchNorm">,
): Layout {
  const { method } = config;
  const sites = adaptsSites(method) ? namedSites(backbone, config.sites) : [];
  const tensors =
    method === "lora" || method === "dora"
      ? sites.flatMap((site): Omit<Slot, "offset" | "length">[] => [
          {
            name: `${site.name}.lora_A.weight`,
            dims: downDims(site, rankAt(config, site.name)),
            role: "down",
            of: site.name,
          },
          {
            name: `${site.name}.lora_B.weight`,
            dims: [site.outputs, rankAt(config, site.name)],
            role: "up",
            of: site.name,
          },
          ...(method === "dora"
            ? [
                {
                  name: `${site.name}.lora_magnitude_vector`,
                  dims: [site.outputs],
                  role: "magnitude" as const,
                  of: site.name,
                },
              ]
            : []),
        ])
      : (method === "bias" ? vectors(backbone) : trainedConstants(backbone, method)).map(
          ([name, constant]): Omit<Slot, "offset" | "length"> => ({
            name,
            dims: constant.dims,
            role: "weight",
            of: name,
          }),
        );
  let offset = 0;
  const slots = tensors.map((tensor) => {
    const length = sizeOf(tensor.dims);
    const slot = { ...tensor, offset, length };
    offset += length;
    return slot;
  });
  const norms = config.batchNorm === "train" ? findNorms(backbone.graph, backbone.path) : noNorms;
  return { slots, sites, length: offset, norms };
}

function namedSites(backbone: Layered, names: readonly string[]): Site[] {
  const { sites, unfit } = findSites(backbone.graph);
  const byName = new Map(sites.map((site) => [site.name, site]));
  return names.map((name) => {
    const site = byName.get(name);
    if (site !== undefined) return site;
    const reason = unfit.find((layer) => layer.name === name)?.reason;
    throw new PetalfaceError(
      "PETAL_ADAPTER_MISMATCH",
      reason === undefined
        ? `the adapter is for layer "${name}", which ${backbone.path} does not have`
        : `the adapter is for layer "${name}" of ${backbone.path}, which cannot carry one: ${reason}`,
    );
  });
}

function downDims(site: Site, rank: number): number[] {
  return site.plain ? [rank, site.inputs] : [rank, site.inputs, ...site.kernel];
}

/**
 * Constants that `full` and `head` train: weights and biases of layers (and slopes), of all of them
 * or of the last one.
 */
function trainedConstants(backbone: Layered, method: "full" | "head"): [string, Constant][] {
  const weighted = new Set(["Conv", "Gemm", "MatMul", "PRelu", "ConvTranspose"]);
  const layers = backbone.graph.nodes.filter(
    (node) => weighted.has(node.op) && node.inputs.slice(1).some((input) => backbone.graph.constants.has(input)),
  );
  const last = layers.findLast((node) => node.op !== "PRelu");
  const chosen = method === "full" ? layers : last === undefined ? [] : [last];
  const names = new Set(chosen.flatMap((node) => node.inputs.slice(1)));
  return [...backbone.graph.constants].filter(([name, constant]) => names.has(name) && constant.dtype === "float32");
}

/** Inputs of an operator that hold a bias, or a scale and a shift. */
const vectorInputs: Readonly<Record<string, readonly number[]>> = {
  ...{ Conv: [2], ConvTranspose: [2], Gemm: [2], PRelu: [1], Add: [0, 1], Mul: [0, 1] },
  ...{ BatchNormalization: [1, 2], GroupNormalization: [1, 2], InstanceNormalization: [1, 2] },
  ...{ LayerNormalization: [1, 2], RMSNormalization: [1], SimplifiedLayerNormalization: [1] },
};

/**
 * Constants that `bias` trains: a number for each feature, added to the features or multiplying
 * them. Products and normalisations of an exported network may be apart from their biases and
 * scales: those are operands of `Add` and `Mul` then.
 */
function vectors({ graph, path }: Layered): [string, Constant][] {
  const names = new Set(
    graph.nodes.flatMap(({ op, domain, inputs }) =>
      domain === "" ? (vectorInputs[op] ?? []).map((input) => inputs[input] ?? "") : [],
    ),
  );
  const isVector = ({ dims }: Constant): boolean => dims.filter((dim) => dim > 1).length === 1;
  const found = [...graph.constants].filter(
    ([name, constant]) => names.has(name) && constant.dtype === "float32" && isVector(constant),
  );
  if (found.length === 0)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${path} has no biases, slopes or scales of normalisations that 'method=bias' could train; use another 'method'`,
    );
  return found;
}
