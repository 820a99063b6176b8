import type { CopyOptions } from "../../matching/index.ts";
import { judgedModel } from "../../quality/index.ts";
import type { OpenedModel } from "../model.ts";

/**
 * The frozen model of an evaluation. Where the weight of copies follows alpha it is judged as the
 * adapter judges, so that both models are searched with the same weights.
 */
export function frozenModel({ backbone, adapter }: OpenedModel, copies: CopyOptions | undefined): OpenedModel {
  if (copies?.weight !== "alpha" || adapter === undefined) return { backbone, model: backbone };
  const { calibration, weights } = adapter.config;
  return { backbone, model: judgedModel(backbone, calibration, weights), judge: calibration };
}
