import { type Graph, prune } from "onnx-grad";
import { alphaKey, type Backbone, fileForm, writeModelFile } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { preprocessingMetadata } from "../../models/index.ts";
import { buildAdapted } from "../build.ts";
import type { Adapter } from "../config.ts";
import { mirrorMetadata } from "../mirror.ts";
import { adaptedModel } from "../model.ts";
import { renameValues, withOwnNames } from "../own-names.ts";
import { mergeAdapter } from "./merge.ts";

/**
 * Where the deployed model's alpha comes from: judged from each image, a second input `alpha`
 * `[N]`, or fixed for all. Judged by `external`, the second input is the score, `quality` `[N]`.
 */
export type ExportAlpha = "quality" | "input" | number;

/**
 * The deployed network as one graph with an open batch. Image input and embedding output keep the
 * backbone's names and preprocessing, so it takes the frozen model's place; with `quality` alpha is
 * a second output, which {@link withOutputs} takes away.
 */
export async function exportedGraph(backbone: Backbone, adapter: Adapter, alpha: ExportAlpha): Promise<Graph> {
  const merged = typeof alpha === "number" || adapter.config.method !== "lora" || adapter.config.gate === "single";
  const graph = merged
    ? await mergeAdapter(backbone, adapter, typeof alpha === "number" ? alpha : undefined)
    : alpha === "input"
      ? withAlphaInput(backbone, adapter)
      : adaptedModel(backbone, adapter).graph;
  const { calibration } = adapter.config;
  const metadata = new Map([
    ...graph.metadata,
    ...Object.entries(preprocessingMetadata(backbone.spec)),
    ...mirrorMetadata(backbone.graph),
    ["petalface.backbone", backbone.spec.sha256],
    ["petalface.gate", adapter.config.gate],
    [alphaKey, merged ? "merged" : String(alpha)],
    ["petalface.calibration", JSON.stringify(calibration)],
  ]);
  return { ...graph, metadata };
}

function withAlphaInput(backbone: Backbone, adapter: Adapter): Graph {
  const { builder, embedding, frozen } = buildAdapted(backbone, adapter.config, {
    theta: adapter.theta,
    statistics: adapter.statistics,
    alpha: "input",
  });
  const graph = withOwnNames(builder.build([embedding]), frozen);
  return renameValues(graph, new Map([[embedding, backbone.output]]));
}

/** What a deployed file puts out: the embedding, or also the alpha that it judged. */
export type ExportOutputs = "embedding" | "embedding,alpha";

/** Names of {@link ExportOutputs}. */
export const exportOutputs = ["embedding", "embedding,alpha"] as const;

/**
 * The deployed network with the outputs that are wanted. Most programs that run recognisers take
 * one output: further ones are refused, or taken for the embedding.
 *
 * @throws PetalfaceError where alpha is wanted and the network does not judge it
 */
export function withOutputs(graph: Graph, outputs: ExportOutputs): Graph {
  if (outputs === "embedding") return prune({ ...graph, outputs: graph.outputs.slice(0, 1) });
  if (graph.outputs.length === 1)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "this file computes no alpha that it could output: its gate is merged, or alpha is an input; leave out 'outputs'",
    );
  return graph;
}

/**
 * Writes the deployed model as one self-contained `.onnx` with one output unless asked otherwise,
 * atomically.
 */
export const exportModel = async (
  path: string,
  backbone: Backbone,
  adapter: Adapter,
  alpha: ExportAlpha,
  outputs: ExportOutputs = "embedding",
): Promise<void> =>
  writeModelFile(fileForm(backbone, withOutputs(await exportedGraph(backbone, adapter, alpha), outputs)), path);
