import { type Graph, writeModel } from "onnx-grad";
import { type Backbone, fileForm } from "../../backbones/index.ts";
import { preprocessingMetadata } from "../../models/index.ts";
import { buildAdapted } from "../build.ts";
import type { Adapter } from "../config.ts";
import { adaptedModel } from "../model.ts";
import { mergeAdapter } from "./merge.ts";

/** Where the deployed model's alpha comes from: judged from each image, a second input `alpha` `[N]`, or fixed for all. Judged by `external`, the second input is the score, `quality` `[N]`. */
export type ExportAlpha = "quality" | "input" | number;

/**
 * The deployed network as one graph with an open batch. Image input and embedding output keep the backbone's names and
 * preprocessing, so it takes the frozen model's place; with `quality` alpha is a second output.
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
    ["petalface.backbone", backbone.spec.sha256],
    ["petalface.gate", adapter.config.gate],
    ["petalface.alpha", merged ? "merged" : String(alpha)],
    ["petalface.calibration", JSON.stringify(calibration)],
  ]);
  return { ...graph, metadata };
}

function withAlphaInput(backbone: Backbone, adapter: Adapter): Graph {
  const { builder, embedding } = buildAdapted(backbone, adapter.config, {
    theta: adapter.theta,
    statistics: adapter.statistics,
    alpha: "input",
  });
  return builder.build([embedding]);
}

/** Writes the deployed model as one self-contained `.onnx`, atomically. */
export const exportModel = async (
  path: string,
  backbone: Backbone,
  adapter: Adapter,
  alpha: ExportAlpha,
): Promise<void> => writeModel(fileForm(backbone, await exportedGraph(backbone, adapter, alpha)), path);
