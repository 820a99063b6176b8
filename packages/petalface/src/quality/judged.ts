import { copyGraph, entryOf, GraphBuilder } from "onnx-grad";
import type { Backbone, EmbeddingModel } from "../backbones/index.ts";
import { buildAlpha } from "./alpha.ts";
import { externalScores } from "./measures.ts";
import type { Calibration } from "./types.ts";
import type { QualityWeights } from "./weights.ts";

/**
 * The frozen network, with the alpha that a calibration gives each face as a second output. For
 * what follows alpha without an adapter, such as the weight of enrolled copies.
 *
 * @throws PetalfaceError for a calibration that does not judge the image
 */
export function judgedModel(backbone: Backbone, calibration: Calibration, weights?: QualityWeights): EmbeddingModel {
  const { graph } = backbone;
  const b = new GraphBuilder({ name: graph.name, opset: graph.opset });
  const input = b.input(backbone.input, entryOf(graph.types, backbone.input));
  const judged = buildAlpha(b, backbone, calibration, input, weights);
  const names = copyGraph(b, graph, { inputs: new Map([[backbone.input, input]]) });
  const embedding = entryOf(names, backbone.output);
  const alpha = b.fresh("alpha");
  b.alias(judged, alpha, "alpha");
  const scores = externalScores(calibration);
  return {
    graph: b.build([embedding, alpha]),
    spec: backbone.spec,
    input,
    output: embedding,
    alpha,
    ...(scores && { scores }),
    size: backbone.size,
    width: backbone.width,
  };
}
