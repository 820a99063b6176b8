import { join } from "node:path";
import type { Tensor } from "onnx-grad";
import { type Adapter, type AdapterConfig, type Layout, saveAdapter } from "../adapters/index.ts";
import { type Backbone, toInput } from "../backbones/index.ts";
import type { FaceData } from "../data/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type Loader, prefetch } from "../images/index.ts";
import { floatsOf, openSession, type Session, type SessionOptions } from "../runtime/index.ts";
import { adamw, clipFactor, l2Norm } from "./adamw.ts";
import { saveState, type TrainingState } from "./checkpoint.ts";
import { type TrainingGraph, trainingGraph } from "./graph.ts";
import { gatherRows, sampleClasses, sampledClasses, updateHead } from "./head.ts";
import { appendMetrics, type StepRecord } from "./metrics.ts";
import type { TrainingOptions } from "./options.ts";
import { type Draw, sampler } from "./sampler.ts";
import { learningRate } from "./schedule.ts";
import { openTargets, type Targets } from "./targets.ts";

/** Seconds between two checkpoints. */
const checkpointSeconds = 30;
/** Batches prepared ahead of the engine. */
const ahead = 3;

/** What {@link trainSteps} works on. */
export interface TrainingTask {
  readonly backbone: Backbone;
  readonly data: FaceData;
  readonly loader: Loader;
  readonly options: TrainingOptions;
  readonly config: AdapterConfig;
  readonly layout: Layout;
  /** Total steps of the run. */
  readonly steps: number;
  /** The run's folder; checkpoints and metrics go there. */
  readonly folder: string;
  readonly session: SessionOptions;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((record: StepRecord) => void) | undefined;
}

/** A batch as the loader made it. */
interface PreparedStep {
  readonly step: number;
  readonly draws: readonly Draw[];
  readonly pixels: Uint8Array;
  /** Faces whose target is not known yet, and their sharp pixels. */
  readonly fresh: readonly Draw[];
  readonly freshPixels: Uint8Array;
}

/**
 * Runs the remaining steps, changing `state` in place. Returns true when all are done, false when the signal stopped it (a checkpoint
 * is then written). Throws PetalfaceError if the loss is not finite; the last checkpoint stays.
 */
export async function trainSteps(task: TrainingTask, state: TrainingState): Promise<boolean> {
  const { backbone, options, folder, steps } = task;
  const graph = trainingGraph(backbone, task.config, options, sampledClasses(state.head?.classes ?? 0));
  // Nothing here is compared bit for bit with another graph, so the engine may choose memory layouts too: 15 to 20 % faster.
  const session = { ...task.session, optimisation: "all" as const };
  const engine = await openSession(graph.graph, session);
  const targets =
    graph.inputs.target === undefined ? undefined : await openTargets(backbone, task.data.length, session);
  let pending: StepRecord[] = [];
  let saved = performance.now();
  const checkpoint = async (): Promise<void> => {
    await appendMetrics(folder, pending);
    pending = [];
    await saveState(folder, state);
    saved = performance.now();
  };
  try {
    // A run that dies before its first half minute can be resumed too.
    if (state.step === 0) await checkpoint();
    for await (const batch of prefetch(prepareSteps(task, targets, state.step), ahead)) {
      const record = await trainStep(task, state, graph, engine, targets, batch);
      pending.push(record);
      task.onStep?.(record);
      if (task.signal?.aborted) {
        await checkpoint();
        return state.step >= steps;
      }
      if (performance.now() - saved > checkpointSeconds * 1000) await checkpoint();
    }
    await checkpoint();
    return true;
  } finally {
    await engine.close();
    await targets?.close();
  }
}

/** Asks the loader for every step's faces, in order. What must be asked for depends on the order only. */
function* prepareSteps(
  task: TrainingTask,
  targets: Targets | undefined,
  first: number,
): Generator<Promise<PreparedStep>> {
  const { data, loader, options, steps } = task;
  const draw = sampler(options, data.length);
  const request = ({ index, flip, pixels }: Draw) => ({
    source: data.at(index).source,
    flip,
    degrade: pixels === undefined ? undefined : { kind: "lr" as const, pixels },
  });
  for (let step = first; step < steps; step++) {
    const draws = draw(step);
    const fresh = targets === undefined ? [] : draws.filter(({ index, flip }) => targets.claim(index, flip));
    const requests = [...draws.map(request), ...fresh.map((face) => request({ ...face, pixels: undefined }))];
    yield loader.load(requests).then((planes) => {
      const split = draws.length * 3 * loader.size * loader.size;
      return { step, draws, pixels: planes.subarray(0, split), fresh, freshPixels: planes.subarray(split) };
    });
  }
}

async function trainStep(
  task: TrainingTask,
  state: TrainingState,
  graph: TrainingGraph,
  engine: Session,
  targets: Targets | undefined,
  batch: PreparedStep,
): Promise<StepRecord> {
  const { backbone, data, options } = task;
  const { inputs, outputs } = graph;
  const image = toInput(batch.pixels, options.batch, options.batch, backbone.size, backbone.spec);
  const feeds: Record<string, Tensor> = { [inputs.image]: image, [inputs.theta]: vector(state.theta) };
  if (targets !== undefined && inputs.target !== undefined) {
    await targets.add(batch.fresh, batch.freshPixels);
    const target = new Float32Array(options.batch * backbone.width);
    batch.draws.forEach(({ index, flip }, row) => {
      targets.read(index, flip, target, row * backbone.width);
    });
    feeds[inputs.target] = { dtype: "float32", dims: [options.batch, backbone.width], data: target };
  }
  const labels = batch.draws.map(({ index }) => data.at(index).person);
  const { head } = state;
  const classes = head === undefined ? undefined : sampleClasses(head.classes, labels, options.seed, batch.step);
  if (head !== undefined && classes !== undefined) {
    const rows = gatherRows(head.values, classes, head.width);
    feeds.centres = { dtype: "float32", dims: [classes.length, head.width], data: rows };
    feeds.onehot = oneHot(labels, classes);
  }
  const results = await engine.run(feeds);
  const loss = floatsOf(results, outputs.loss)[0] as number;
  const gradient = floatsOf(results, outputs.theta);
  const gradientNorm = l2Norm(gradient);
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
    throw new PetalfaceError(
      `step ${batch.step + 1}: the loss is ${loss} and its gradient ${gradientNorm}; lower --lr (now ${options.learningRate}) and continue from the last checkpoint with --resume ${task.folder}`,
    );
  const rate = learningRate(options, batch.step, task.steps);
  const decay = { rate, weightDecay: options.weightDecay };
  state.step = batch.step + 1;
  adamw(state.theta, gradient, state.moments, state.step, {
    ...decay,
    gradientScale: clipFactor(gradientNorm, options.clip),
  });
  if (head !== undefined && classes !== undefined)
    updateHead(head, classes, floatsOf(results, "grad_centres"), state.step, decay);
  const alpha = floatsOf(results, outputs.alpha);
  const meanAlpha = alpha.reduce((sum, value) => sum + value, 0) / alpha.length;
  return { step: state.step, loss, learningRate: rate, gradientNorm, alpha: meanAlpha };
}

const vector = (data: Float32Array): Tensor => ({ dtype: "float32", dims: [data.length], data });

/** `[labels, classes]`: 1 where the class is the label. */
function oneHot(labels: readonly number[], classes: Uint32Array): Tensor {
  const place = new Map(Array.from(classes, (label, column) => [label, column]));
  const data = new Float32Array(labels.length * classes.length);
  labels.forEach((label, row) => {
    data[row * classes.length + (place.get(label) as number)] = 1;
  });
  return { dtype: "float32", dims: [labels.length, classes.length], data };
}

/** Saves a finished run's adapter. */
export const saveResult = (folder: string, backbone: Backbone, adapter: Adapter): Promise<void> =>
  saveAdapter(join(folder, "adapter"), backbone, adapter);
