import { itemAt } from "onnx-grad";
import type { TrainingOptions } from "../options/options.ts";
import { stateSizes } from "./adaptive-losses.ts";
import { type LossName, marginOf } from "./names.ts";

/** How many numbers a loss keeps from step to step; they begin as 0. */
export function lossStateSize(loss: LossName): number {
  const margin = marginOf(loss);
  return margin === "adaface" || margin === "curricularface" ? stateSizes[margin] : 0;
}

const single = Math.fround;

/**
 * What a loss keeps after a part of a step: the same bits as its graph computes. Ranks that compute
 * parts at the same time use it, as none of them sees the images of the others.
 *
 * @param state what it kept before the part (see `stateSizes`)
 * @param found the state that the part's own images alone would give
 */
export function followLossState(
  { loss, lossMomentum }: Pick<TrainingOptions, "loss" | "lossMomentum">,
  state: Float32Array,
  found: Float32Array,
): Float32Array {
  const follow = (at: number, share: number): number => {
    const old = itemAt(state, at);
    // Each operation of the graph rounds to single precision.
    return old + single(share * single(itemAt(found, at) - old));
  };
  if (marginOf(loss) === "curricularface") return Float32Array.of(follow(0, single(lossMomentum)));
  const share = single(1 - single(itemAt(state, 2) * single(1 - lossMomentum)));
  return Float32Array.of(follow(0, share), follow(1, share), 1);
}
