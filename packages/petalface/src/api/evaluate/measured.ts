import { type EvaluationResult, identicalShare, type LeftOut } from "../../evaluation/index.ts";
import { noteLeftOut } from "../data.ts";
import type { Surroundings } from "../surroundings.ts";

/** One model's measurement, with what another one left out left out from the start. */
type MeasureModel = (leave: LeftOut | undefined) => Promise<EvaluationResult>;

/**
 * Measures the frozen and the adapted model on the same images. An image that only one of them has
 * no finite embedding of is left out of both, which then takes another measurement.
 */
export async function measureBoth(
  frozenModel: MeasureModel,
  adaptedModel: MeasureModel | undefined,
  context: Pick<Surroundings, "note">,
): Promise<{ readonly frozen: EvaluationResult; readonly adapted: EvaluationResult | undefined }> {
  let frozen = await frozenModel(undefined);
  let adapted = await adaptedModel?.(frozen.leftOut);
  // Each round leaves out more images, so that this ends.
  while (adapted !== undefined && adapted.protocol.fingerprint !== frozen.protocol.fingerprint) {
    frozen = await frozenModel(adapted.leftOut);
    if (adapted.protocol.fingerprint !== frozen.protocol.fingerprint) adapted = await adaptedModel?.(frozen.leftOut);
  }
  noteLeftOut(frozen.leftOut, context);
  if (adapted === undefined || adapted.detail.digests.length === 0) return { frozen, adapted };
  return { frozen, adapted: { ...adapted, identical: identicalShare(adapted.detail, frozen.detail) } };
}
