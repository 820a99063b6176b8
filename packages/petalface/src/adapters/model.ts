import type { Backbone, EmbeddingModel } from "../backbones/index.ts";
import { externalScores } from "../quality/index.ts";
import { buildAdapted } from "./build.ts";
import type { Adapter } from "./config.ts";
import { renameValues, withOwnNames } from "./own-names.ts";

/** Name of the alpha output of an adapted model. */
export const alphaOutput = "alpha";

/**
 * The adapted network as one graph with an open batch: image -> quality -> calibration -> gate ->
 * embedding and alpha. Where quality comes with the data it is a second input.
 */
export function adaptedModel(
  backbone: Backbone,
  adapter: Adapter,
  alpha: "quality" | number = "quality",
): EmbeddingModel {
  const built = buildAdapted(backbone, adapter.config, { theta: adapter.theta, statistics: adapter.statistics, alpha });
  const { builder: b } = built;
  const output = b.fresh(alphaOutput);
  b.alias(built.alpha, output, "alpha");
  const named = withOwnNames(b.build([built.embedding, output]), built.frozen);
  // Our own values were made first and may have taken its name.
  const graph = renameValues(named, new Map([[built.embedding, backbone.output]]));
  const scores = alpha === "quality" ? externalScores(adapter.config.calibration) : undefined;
  return {
    graph,
    spec: backbone.spec,
    input: built.input,
    output: backbone.output,
    alpha: output,
    ...(scores && { scores }),
    size: backbone.size,
    width: backbone.width,
    parameters: backbone.parameters,
  };
}
