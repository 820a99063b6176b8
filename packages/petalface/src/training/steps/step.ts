import { entryOf, sizeOf, type Tensor } from "onnx-grad";
import { toInput } from "../../backbones/index.ts";
import { nameOfFace } from "../../images/index.ts";
import { floatsOf, type Session } from "../../runtime/index.ts";
import { clipFactor, l2Norm } from "../optimiser/adamw.ts";
import { optimize } from "../optimiser/optimizer.ts";
import { learningRate } from "../optimiser/schedule.ts";
import type { Prefix } from "../prefix/prefix.ts";
import type { StepRecord } from "../run/metrics.ts";
import type { RunParts } from "../run/types.ts";
import type { TrainingState } from "../state/checkpoint.ts";
import { gatherRows, sampleClasses, updateHead } from "../state/head.ts";
import { followStatistics } from "../state/statistics.ts";
import type { Anchors } from "./anchors.ts";
import type { PreparedStep } from "./batches.ts";
import type { TrainingGraph } from "./graph.ts";
import { drawNoise } from "./noise.ts";
import { replaceDraws } from "./replace.ts";
import { type Draw, epochOf } from "./sampler.ts";
import type { Targets } from "./targets.ts";

/** The graphs that compute the steps of a run, loaded. */
export interface Engines {
  /** Places of the draws that the frozen model has no finite embedding of, as they are shown. */
  readonly findNotFinite: (draws: readonly Draw[]) => Promise<readonly number[]>;
  readonly graph: TrainingGraph;
  readonly engine: Session;
  readonly targets: Targets | undefined;
  readonly anchors: Anchors | undefined;
  /** Gives what the graph takes instead of images, where it is cut. */
  readonly prefix: Prefix | undefined;
}

/** What the steps of a run share. */
export type StepTask = Pick<RunParts, "backbone" | "data" | "loader" | "options" | "steps"> & Engines;

/** What one batch says of the current weights, before they change. */
export interface Computed {
  readonly loss: number;
  /** Gradient of theta, and its L2 norm. */
  readonly gradient: Float32Array;
  readonly gradientNorm: number;
  /** Mean alpha of the batch. */
  readonly alpha: number;
  /** The classes that took part, ascending, and the gradient of their centres. */
  readonly classes: Uint32Array | undefined;
  readonly centreGradient: Float32Array | undefined;
  /** What the loss keeps, and the running statistics, after this batch. */
  readonly lossState: Float32Array;
  readonly statistics: Float32Array;
}

/**
 * Computes loss and gradient of a batch, `accumulate` parts one after the other. Leaves `state` as it is. Faces that the frozen model has no finite
 * embedding of (sharp, as a target, or as they are shown) are named and replaced by others of the batch: one of them would make every weight NaN.
 */
export async function computeStep(task: StepTask, state: TrainingState, batch: PreparedStep): Promise<Computed> {
  const { targets, loader } = task;
  await targets?.add(batch.fresh, batch.freshPixels);
  await task.anchors?.growTo(batch.step);
  await task.prefix?.add(batch.shown, batch.pixels);
  const nameOf = (face: number): string => nameOfFace(task.data.at(face).source);
  const replace = (of: PreparedStep, bad: ReadonlySet<number>): PreparedStep => {
    for (const at of bad) {
      const { index } = of.draws[at] as PreparedStep["draws"][number];
      loader.leave(index, `${nameOf(index)}: its embedding is not finite`);
    }
    return replaceDraws(of, bad, nameOf);
  };
  const wrong = targets && batch.draws.flatMap(({ index, flip }, at) => (targets.isFinite(index, flip) ? [] : [at]));
  const usable = replace(batch, new Set(wrong));
  const computed = await computeBatch(task, state, usable);
  if (isSound(computed)) return computed;
  const bad = new Set(await task.findNotFinite(usable.draws));
  return bad.size === 0 ? computed : await computeBatch(task, state, replace(usable, bad));
}

const isSound = ({ loss, gradientNorm }: Computed): boolean => Number.isFinite(loss) && Number.isFinite(gradientNorm);

/** Loss and gradient of a batch as it is. */
async function computeBatch(task: StepTask, state: TrainingState, batch: PreparedStep): Promise<Computed> {
  const { options, engine, data, loader } = task;
  const { outputs, layout, samples } = task.graph;
  const { head } = state;
  const labels = batch.draws.map(({ index }) => data.at(loader.used(index)).person);
  const classes =
    head === undefined
      ? undefined
      : sampleClasses(head.classes, labels, options.seed, batch.step, options.classesPerStep);
  const shared: Record<string, Tensor> = { theta: vector(state.theta) };
  if (head !== undefined && classes !== undefined) {
    const rows = gatherRows(head.values, classes, head.width);
    shared.centres = { dtype: "float32", dims: [classes.length, head.width], data: rows };
  }
  const { anchors } = task;
  if (anchors !== undefined)
    shared.anchors = { dtype: "float32", dims: [anchors.count, anchors.width], data: anchors.rows };
  const noise = drawNoise(task.graph.inputs.noise, options.batch, options.seed, batch.step);
  const parts = options.accumulate;
  const size = options.batch / parts;
  let loss = 0;
  let alpha = 0;
  let gradient: Float32Array | undefined;
  let centreGradient: Float32Array | undefined;
  let { lossState, statistics } = state;
  for (let part = 0; part < parts; part++) {
    const feeds = { ...shared, ...partFeeds(task, batch, part * size, size, labels, classes) };
    for (const { name, dims } of task.graph.inputs.noise)
      feeds[name] = imagesOf(noise.get(name) as Float32Array, dims, part * size, size);
    if (outputs.lossState !== undefined) feeds.loss_state = vector(lossState);
    const results = await engine.run(feeds);
    loss += (floatsOf(results, outputs.loss)[0] as number) / parts;
    alpha += mean(floatsOf({ ...feeds, ...results }, outputs.alpha)) / parts;
    gradient = accumulated(gradient, floatsOf(results, outputs.theta), parts);
    if (outputs.centres !== undefined)
      centreGradient = accumulated(centreGradient, floatsOf(results, outputs.centres), parts);
    // What looks at its batch looks at one part, and moves on with each, as in PyTorch.
    if (outputs.lossState !== undefined) lossState = floatsOf(results, outputs.lossState);
    if (outputs.statistics !== undefined)
      statistics = followStatistics(layout.norms, statistics, floatsOf(results, outputs.statistics), samples);
  }
  if (gradient === undefined) throw new Error("a step without parts");
  return { loss, alpha, gradient, gradientNorm: l2Norm(gradient), classes, centreGradient, lossState, statistics };
}

/** Changes `state` by one optimiser step. Returns the step's record. */
export function applyStep(task: StepTask, state: TrainingState, computed: Computed): StepRecord {
  const { options } = task;
  const { loss, gradient, gradientNorm, alpha, classes, centreGradient } = computed;
  const rate = learningRate(options, state.step, task.steps, epochOf(options, task.data.length) / options.batch);
  state.step++;
  const gradientScale = clipFactor(gradientNorm, options.clip);
  optimize(state.theta, gradient, state.moments, state.step, { ...options, rate, gradientScale });
  if (state.head !== undefined && classes !== undefined && centreGradient !== undefined)
    updateHead(state.head, classes, centreGradient, state.step, { ...options, rate });
  state.lossState = computed.lossState;
  state.statistics = computed.statistics;
  return { step: state.step, loss, learningRate: rate, gradientNorm, alpha };
}

/** The inputs of one part of a batch: rows `start` to `start + size`. */
function partFeeds(
  { backbone, data, loader, graph: { inputs }, targets, anchors, prefix }: StepTask,
  batch: PreparedStep,
  start: number,
  size: number,
  labels: readonly number[],
  classes: Uint32Array | undefined,
): Record<string, Tensor> {
  const face = 3 * backbone.size * backbone.size;
  const images = (): Tensor =>
    toInput(batch.pixels.subarray(start * face, (start + size) * face), size, size, backbone.size, backbone.spec);
  const feeds: Record<string, Tensor> = prefix?.feeds(batch.draws.slice(start, start + size)) ?? {
    [inputs.image]: images(),
  };
  const { scores } = inputs;
  if (scores !== undefined) {
    const given = batch.draws
      .slice(start, start + size)
      .map(
        ({ index, degrade }) =>
          (degrade === undefined ? data.at(loader.used(index)).quality : scores.degraded) ?? Number.NaN,
      );
    feeds[scores.input] = vector(Float32Array.from(given));
  }
  if (targets !== undefined && inputs.target !== undefined) {
    const target = new Float32Array(size * backbone.width);
    batch.draws.slice(start, start + size).forEach(({ index, flip }, row) => {
      targets.read(index, flip, target, row * backbone.width);
    });
    feeds[inputs.target] = { dtype: "float32", dims: [size, backbone.width], data: target };
  }
  if (anchors !== undefined && inputs.others !== undefined) {
    const others = new Float32Array(size * anchors.count);
    batch.draws.slice(start, start + size).forEach(({ index }, row) => {
      others.set(anchors.others(loader.used(index)), row * anchors.count);
    });
    feeds[inputs.others] = { dtype: "float32", dims: [size, anchors.count], data: others };
  }
  if (classes !== undefined) feeds.onehot = oneHot(labels.slice(start, start + size), classes);
  return feeds;
}

/** The sum so far plus a part's share of the mean; with one part its own array, every bit as it came. */
function accumulated(sum: Float32Array | undefined, part: Float32Array, parts: number): Float32Array {
  if (parts === 1) return part;
  if (sum === undefined) return part.map((value) => value / parts);
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (part[i] as number) / parts;
  return sum;
}

/** `count` images from `start` on, `dims` numbers each. */
function imagesOf(values: Float32Array, dims: readonly number[], start: number, count: number): Tensor {
  const width = sizeOf(dims);
  return { dtype: "float32", dims: [count, ...dims], data: values.slice(start * width, (start + count) * width) };
}

const vector = (data: Float32Array): Tensor => ({ dtype: "float32", dims: [data.length], data });

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** `[labels, classes]`: 1 where the class is the label. */
function oneHot(labels: readonly number[], classes: Uint32Array): Tensor {
  const place = new Map(Array.from(classes, (label, column) => [label, column]));
  const data = new Float32Array(labels.length * classes.length);
  labels.forEach((label, row) => {
    data[row * classes.length + entryOf(place, label)] = 1;
  });
  return { dtype: "float32", dims: [labels.length, classes.length], data };
}
