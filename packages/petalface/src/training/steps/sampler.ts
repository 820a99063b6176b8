import { type Degradation, type DegradationSpec, drawDegradation, parseDegradation } from "../../images/portable.ts";
import { random } from "../../random.ts";
import type { TrainingOptions } from "../options/options.ts";

/** One training image: which face, mirrored or not, and how it is degraded (undefined: sharp). */
export interface Draw {
  readonly index: number;
  readonly flip: boolean;
  readonly degrade: Degradation | undefined;
  /** Which of the face's draws it is, where their number is limited (`variants`). */
  readonly variant?: number;
}

/** What degraded training faces are drawn from; undefined: `lrPixels`. */
export const degradationOf = ({ degrade }: Pick<TrainingOptions, "degrade">): DegradationSpec | undefined =>
  degrade === "lr" ? undefined : parseDegradation(degrade);

/**
 * Images of an epoch over `length` faces: all, or the whole batches of them; at least one batch
 * then.
 */
export const epochOf = ({ batch, dropLast }: Pick<TrainingOptions, "batch" | "dropLast">, length: number): number =>
  dropLast ? Math.max(1, Math.floor(length / batch)) * batch : length;

/** Number of steps of a run over `length` faces; at least one. */
export const stepsOf = (options: Pick<TrainingOptions, "epochs" | "batch" | "dropLast">, length: number): number =>
  Math.max(1, Math.round((options.epochs * epochOf(options, length)) / options.batch));

/** The number of epochs of which {@link stepsOf} makes so many steps; undefined where none does. */
export function epochsOfSteps(
  options: Pick<TrainingOptions, "batch" | "dropLast">,
  length: number,
  steps: number,
): number | undefined {
  const exact = (steps * options.batch) / epochOf(options, length);
  // As short as it can be: it is printed, and given again.
  for (let digits = 3; digits <= 17; digits++) {
    const epochs = Number(exact.toPrecision(digits));
    if (stepsOf({ ...options, epochs }, length) === steps) return epochs;
  }
  return undefined;
}

/**
 * The faces of each step: every epoch a new shuffle, every position its own draw of flip and
 * degradation. A step depends on the seed and its number alone, so that a resumed run continues
 * with the same faces. With `variants` a face has that many draws of its own, and shows another one
 * every epoch.
 */
export function sampler(
  options: Pick<TrainingOptions, "batch" | "dropLast" | "seed" | "sharpShare" | "lrPixels" | "degrade" | "flip"> &
    Partial<Pick<TrainingOptions, "variants">>,
  length: number,
): (step: number) => Draw[] {
  const spec = degradationOf(options);
  const { variants = 0 } = options;
  const each = epochOf(options, length);
  let epochNow = -1;
  let order = new Uint32Array(0);
  const face = (position: number): number => {
    const epoch = Math.floor(position / each);
    if (epoch !== epochNow) {
      order = random("epoch", options.seed, epoch).shuffle(Uint32Array.from({ length }, (_, i) => i));
      epochNow = epoch;
    }
    // With fewer faces than a batch, some are drawn twice.
    return order[(position % each) % length];
  };
  return (step) =>
    Array.from({ length: options.batch }, (_, i) => {
      const position = step * options.batch + i;
      const index = face(position);
      const variant = variants > 0 ? Math.floor(position / length) % variants : undefined;
      const seed = variant === undefined ? [options.seed, position] : [options.seed, index, "variant", variant];
      const stream = random("draw", ...seed);
      const sharp = stream.uniform() < options.sharpShare;
      const pixels = stream.pick(options.lrPixels);
      const flip = options.flip && stream.uniform() < 0.5;
      const degrade: Degradation =
        spec === undefined ? { kind: "lr", pixels } : drawDegradation(spec, "training", ...seed);
      return { index, flip, degrade: sharp ? undefined : degrade, ...(variant !== undefined && { variant }) };
    });
}
