import type { Ops } from "onnx-grad";
import type { TrainingOptions } from "../options/options.ts";
import { adaface, curricularface, magface } from "./adaptive-losses.ts";
import { arcface, cosface } from "./losses.ts";
import type { Loss, Margin } from "./margin.ts";
import { marginOf } from "./names.ts";

/**
 * Adds the margin softmax that the options name. `state` is the vector that it keeps; "" where it
 * keeps nothing.
 */
export function marginLoss(
  o: Ops,
  options: TrainingOptions,
  values: Pick<Margin, "embedding" | "centres" | "onehot"> & { readonly state: string },
): Loss {
  const { margin, lossMomentum: momentum, concentration, magnitudeWeight: weight } = options;
  const parts = { ...values, margin, scale: options.logitScale, floor: options.lossFloor };
  const pair = ([low = 0, high = 0]: readonly number[]): [number, number] => [low, high];
  switch (marginOf(options.loss)) {
    case "arcface":
      return arcface(o, { ...parts, gradient: options.arcGradient });
    case "adaface":
      return adaface(o, { ...parts, momentum, concentration });
    case "magface":
      return magface(o, {
        ...parts,
        magnitudes: pair(options.magnitudes),
        margins: pair(options.magnitudeMargins),
        weight,
      });
    case "curricularface":
      return curricularface(o, { ...parts, momentum });
    default:
      return cosface(o, parts);
  }
}
