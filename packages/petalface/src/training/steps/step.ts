import { itemAt, type Tensor } from "onnx-grad";
import { floatsOf } from "../../runtime/index.ts";
import { clipFactor, l2Norm } from "../optimiser/adamw.ts";
import { optimize, optimizeParts } from "../optimiser/optimizer.ts";
import { learningRate } from "../optimiser/schedule.ts";
import type { StepRecord } from "../run/metrics.ts";
import type { TrainingState } from "../state/checkpoint.ts";
import { partLengths, sampleClasses, updateHead } from "../state/head.ts";
import { followStatistics } from "../state/statistics.ts";
import { embedTargets, type PreparedStep } from "./batches.ts";
import { meetFaces, type UsableStep, withoutNotFinite } from "./faces.ts";
import { feedsOfPart, meetCentres, vector } from "./feeds.ts";
import { drawNoise } from "./noise.ts";
import { runPart } from "./part.ts";
import { epochOf } from "./sampler.ts";
import { sumOfParts } from "./sums.ts";
import type { StepTask } from "./task.ts";

/**
 * What one batch says of the current weights, before they change; the same on every rank, but for
 * the centres.
 */
export interface Computed {
  readonly loss: number;
  /** Gradient of theta, and its L2 norm. */
  readonly gradient: Float32Array;
  readonly gradientNorm: number;
  /** Mean alpha of the batch. */
  readonly alpha: number;
  /** The classes of this rank that took part, ascending, and the gradient of their centres. */
  readonly classes: Uint32Array | undefined;
  readonly centreGradient: Float32Array | undefined;
  /** What the loss keeps, and the running statistics, after this batch. */
  readonly lossState: Float32Array;
  readonly statistics: Float32Array;
}

/**
 * Computes loss and gradient of a batch, `accumulate` parts one after the other, or at the same
 * time on several ranks. Leaves `state` as it is. Faces that the frozen model has no finite
 * embedding of (sharp, as a target, or as they are shown) are named and replaced by others of the
 * batch: one of them would make every weight NaN.
 */
export async function computeStep(task: StepTask, state: TrainingState, batch: PreparedStep): Promise<Computed> {
  await embedTargets(task, batch);
  await task.prefix?.add(
    batch.shown.map((place) => itemAt(batch.draws, place)),
    batch.pixels,
  );
  const usable = await meetFaces(task, batch);
  const computed = await computeBatch(task, state, usable);
  if (isSound(computed)) return computed;
  const better = await withoutNotFinite(task, usable);
  return better === undefined ? computed : await computeBatch(task, state, better);
}

const isSound = ({ loss, gradientNorm }: Computed): boolean => Number.isFinite(loss) && Number.isFinite(gradientNorm);

/** Loss and gradient of a batch as it is. */
async function computeBatch(task: StepTask, state: TrainingState, step: UsableStep): Promise<Computed> {
  const { options, anchors, ranks, share } = task;
  const { outputs, layout, samples } = task.graph;
  const { head } = state;
  const labels = step.faces.map(({ person }) => person);
  const classes =
    head === undefined
      ? undefined
      : sampleClasses(head.classes, labels, options.seed, step.batch.step, options.classesPerStep);
  const sampled = head === undefined || classes === undefined ? undefined : await meetCentres(task, head, classes);
  await task.prefix?.fetch(step.batch.draws, step.origin, share);
  const noise = drawNoise(task.graph.inputs.noise, options.batch, options.seed, step.batch.step);
  const parts = options.accumulate;
  /** Loss and mean alpha of this rank's parts, and what batch normalisations found in each. */
  const numbers = new Float64Array(2 * share.rounds);
  const found: Float32Array[] = [];
  const norms = state.statistics.length;
  const stretches = partLengths(state.theta.length, ranks.count);
  const theta = sumOfParts(ranks, share, parts, stretches);
  const centres = sampled && sumOfParts(ranks, share, parts, sampled.lengths);
  let { lossState, statistics } = state;
  for (let round = 0; round < share.rounds; round++) {
    const part = share.partOf(round, ranks.rank);
    let feeds: Record<string, Tensor> | undefined;
    if (part !== undefined) {
      feeds = feedsOfPart(task, step, part, { labels, classes, noise });
      feeds.theta = vector(state.theta);
      if (sampled !== undefined) feeds.centres = sampled.tensor;
      if (anchors !== undefined)
        feeds.anchors = { dtype: "float32", dims: [anchors.count, anchors.width], data: anchors.rows };
    }
    const computed = await runPart(task, feeds, round, lossState);
    // What looks at its batch looks at one part, and moves on with each, as in PyTorch.
    lossState = computed.lossState;
    const { results } = computed;
    if (results !== undefined) {
      numbers[2 * round] = itemAt(floatsOf(results, outputs.loss), 0);
      numbers[2 * round + 1] = mean(floatsOf({ ...feeds, ...results }, outputs.alpha));
    }
    found.push(
      results === undefined || outputs.statistics === undefined
        ? new Float32Array(norms)
        : floatsOf(results, outputs.statistics),
    );
    await theta.add(round, results && floatsOf(results, outputs.theta));
    if (outputs.centres !== undefined) await centres?.add(round, results && floatsOf(results, outputs.centres));
  }
  const stretch = await theta.finish();
  const centreGradient = await centres?.finish();
  const gradient = ranks.count === 1 ? stretch : (await ranks.join(stretch, stretches)).slice();
  let loss = 0;
  let alpha = 0;
  const all = await ranks.gather([new Float32Array(numbers.buffer), ...(norms > 0 ? found : [])]);
  const doubles = all.map(([pairs = new Float32Array(0)]) => new Float64Array(pairs.slice().buffer));
  for (let part = 0; part < parts; part++) {
    const [round, rank] = [Math.floor(part / ranks.count), part % ranks.count];
    const pairs = itemAt(doubles, rank);
    loss += itemAt(pairs, 2 * round) / parts;
    alpha += itemAt(pairs, 2 * round + 1) / parts;
    if (norms > 0)
      statistics = followStatistics(layout.norms, statistics, itemAt(itemAt(all, rank), 1 + round), samples);
  }
  return {
    ...{ loss, alpha, gradient, gradientNorm: l2Norm(gradient) },
    ...{ classes: sampled?.own, centreGradient, lossState, statistics },
  };
}

/** Changes `state` by one optimiser step. Returns the step's record. */
export function applyStep(
  task: Pick<StepTask, "options" | "steps" | "data"> & { readonly graph: Pick<StepTask["graph"], "layout"> },
  state: TrainingState,
  computed: Computed,
): StepRecord {
  const { options } = task;
  const { loss, gradient, gradientNorm, alpha, classes, centreGradient } = computed;
  const rate = learningRate(options, state.step, task.steps, epochOf(options, task.data.length) / options.batch);
  state.step++;
  const gradientScale = clipFactor(gradientNorm, options.clip);
  const how = { ...options, rate, gradientScale };
  if (options.upRate === 1) optimize(state.theta, gradient, state.moments, state.step, how);
  else {
    const parts = task.graph.layout.slots.map(({ offset, length, role }) => {
      return { offset, length, factor: role === "up" ? options.upRate : 1 };
    });
    optimizeParts(state.theta, gradient, state.moments, state.step, how, parts);
  }
  if (state.head !== undefined && classes !== undefined && centreGradient !== undefined)
    updateHead(state.head, classes, centreGradient, state.step, { ...options, rate });
  state.lossState = computed.lossState;
  state.statistics = computed.statistics;
  return { step: state.step, loss, learningRate: rate, gradientNorm, alpha };
}

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
