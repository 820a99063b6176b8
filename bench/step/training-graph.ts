import { differentiate, type Graph, ops } from "onnx-grad";
import { buildAdapted } from "petalface/adapters";
import { distillation } from "petalface/training";
import type { Network } from "./networks.ts";
import { recipe } from "./workload.ts";

/**
 * Forward, distillation loss and gradient of theta, alpha given instead of judged so that the peer
 * can have the same.
 */
export function trainingGraphOf(
  { backbone, config }: Network,
  batch: number,
): { graph: Graph; input: string; alpha: string; loss: string } {
  const build = buildAdapted(backbone, config, { theta: "input", alpha: "input", batch });
  const target = build.builder.input("target", { dtype: "float32", shape: [batch, backbone.width] });
  const loss = distillation(ops(build.builder), build.embedding, target, recipe.distilWeight);
  const graph = differentiate(build.builder.build([loss]), { loss, wrt: ["theta"], names: ["grad_theta"] });
  return { graph, input: build.input, alpha: build.alpha, loss };
}
