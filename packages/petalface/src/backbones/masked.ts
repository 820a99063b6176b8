import type { Constant } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { type Architecture, parseArchitecture } from "./architecture.ts";
import type { Backbone } from "./backbone.ts";
import { architectureKey, trainingWeight } from "./import.ts";
import { fillNetwork } from "./networks/layers.ts";
import { vit } from "./networks/vit.ts";

/** The family of an imported network, as `--arch` names it; undefined for other files. */
export function familyOf(backbone: Pick<Backbone, "graph">): Architecture["family"] | undefined {
  const spec = backbone.graph.metadata.get(architectureKey);
  return spec === undefined ? undefined : parseArchitecture(spec).architecture.family;
}

/**
 * A vision transformer in the form that its authors train: a share of each image's tokens does not
 * pass through the blocks. Its graph has the further input `kept_tokens` `[N, kept, tokens]`, one 1
 * a row. Layers and weights have the same names. Throws PetalfaceError for a model that is not a
 * vision transformer of `petalface import`, or whose checkpoint had no mask token.
 */
export function maskTokens(backbone: Backbone, share: number): Backbone {
  const { graph, path } = backbone;
  const spec = graph.metadata.get(architectureKey);
  const architecture = spec === undefined ? undefined : parseArchitecture(spec).architecture;
  if (architecture?.family !== "vit")
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${path}: 'tokenMasking' needs a vision transformer that petalface import wrote, and this is another model; give 'tokenMasking=0'`,
    );
  const maskToken = trainingWeight(graph.metadata, "mask_token");
  if (maskToken === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${path}: its checkpoint had no mask_token, so 'tokenMasking' must be 0`,
    );
  const { shape } = architecture;
  const tokens = Math.floor(shape.image / shape.patch) ** 2;
  const network = vit(shape, Math.max(1, Math.floor(tokens * (1 - share))));
  const filled = fillNetwork(network, (name): Constant => {
    if (name === "mask_token") return { dtype: "float32", dims: [maskToken.length], data: maskToken };
    const constant = graph.constants.get(name);
    if (constant === undefined)
      throw new PetalfaceError("PETAL_MODEL_DAMAGED", `${path}: "${name}" is missing; import it again`);
    return constant;
  });
  const [output = ""] = filled.outputs;
  return { ...backbone, graph: { ...filled, metadata: graph.metadata }, input: "image", output };
}
