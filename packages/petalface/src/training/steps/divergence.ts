import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import { printArgument } from "../../print-path.ts";
import { usesAnchors, usesDistillation, usesMargin } from "../losses/names.ts";
import type { TrainingOptions } from "../options/options.ts";

/**
 * Steps in a row with an exploded loss after which training stops. One bad batch, or ten, happen in
 * healthy runs.
 */
const patience = 50;
/** An exploded loss is this many times the usual one. */
const factor = 2;
/** Losses that the usual one is the median of. */
const window = 200;
/**
 * Images that the loss of the start is taken from, in at most so many steps. Few, because a far too
 * high rate destroys the network at once.
 */
const openingImages = 32;
const mostOpeningSteps = 20;
/** Share of the loss of a network that knows nothing below which no loss counts as exploded. */
const floorShare = 0.1;

/** Watches the losses of a run. */
export interface LossWatch {
  /** Whether the last loss was in its usual range; a state is worth keeping only then. */
  readonly calm: boolean;
  /**
   * Looks at one step. Throws PetalfaceError if training has diverged.
   * @param step counted from 1
   */
  add(step: number, loss: number, gradientNorm: number): void;
}

/**
 * Decides when training has diverged:
 * - at once if the loss or the gradient's norm is not finite;
 * - after 50 steps in a row whose loss is above 2 times the usual one. The usual loss is the
 *   largest of: the median of the start (the first 32 images, in 20 steps at most), the median of
 *   the last 200 calm steps, and a tenth of the loss of a network that knows nothing.
 *
 * A healthy run's loss does not stay above twice its start for 50 steps, however noisy it is: were
 * every step's loss above it with probability 1/2, independently, that would happen once in 10^15
 * steps. What this does not see is a run that ends up no worse than twice its start; a validation
 * protocol does.
 */
export function watchLoss(
  options: Pick<
    TrainingOptions,
    | "loss"
    | "distilWeight"
    | "anchors"
    | "anchorWeight"
    | "logitScale"
    | "margin"
    | "learningRate"
    | "clip"
    | "warmup"
    | "batch"
  >,
  run: { readonly folder: string; readonly classes: number },
): LossWatch {
  const ignorant =
    (usesDistillation(options.loss) ? options.distilWeight : 0) +
    (usesAnchors(options.loss) ? options.anchorWeight * Math.log(options.anchors) : 0) +
    (usesMargin(options.loss) ? Math.log(Math.max(run.classes, 2)) + options.logitScale * options.margin : 0);
  const opening = Math.min(Math.ceil(openingImages / options.batch), mostOpeningSteps);
  const first: number[] = [];
  const recent: number[] = [];
  let above = 0;
  const advice = `lower 'learningRate' (now ${options.learningRate})${options.warmup < 0.05 ? " or raise 'warmup'" : " or 'clip'"}; the last good state is kept: petalface adapt 'resume' ${printArgument(run.folder)} 'learningRate=${Number((options.learningRate / 4).toPrecision(2))}'`;
  return {
    get calm() {
      return above === 0;
    },
    add(step, loss, gradientNorm) {
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
        throw new PetalfaceError(
          "PETAL_TRAINING_DIVERGED",
          `step ${step}: the loss is ${loss} and its gradient ${gradientNorm}; ${advice}`,
        );
      const usual = Math.max(median(first), median(recent), floorShare * ignorant);
      if (first.length === opening && loss > factor * usual) {
        above++;
        if (above >= patience)
          throw new PetalfaceError(
            "PETAL_TRAINING_DIVERGED",
            `step ${step}: for ${patience} steps the loss has been above ${factor} times its usual ${usual.toPrecision(3)} (now ${loss.toPrecision(3)}), so training has diverged; ${advice}`,
          );
        return;
      }
      above = 0;
      if (first.length < opening) first.push(loss);
      recent.push(loss);
      if (recent.length > window) recent.shift();
    },
  };
}

/** Median; 0 of nothing. */
function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? itemAt(sorted, middle) : (itemAt(sorted, middle - 1) + itemAt(sorted, middle)) / 2;
}
