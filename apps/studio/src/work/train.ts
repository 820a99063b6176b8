import {
  clipFactor,
  createDegrader,
  freshMoments,
  l2Norm,
  learningRate,
  optimize,
  type Pixels,
  sampler,
  toInput,
} from "petalface/portable";
import type { StudioPlan } from "../plan.ts";
import { type Floats, outputOf, type Run } from "./engine.ts";
import { planesOf } from "./faces.ts";

/** What one step says of itself. */
export interface StepReport {
  /** From 1. */
  readonly step: number;
  readonly loss: number;
  readonly alpha: number;
}

/** What {@link train} works with. `train` and `frozen` run the graphs of those names. */
export interface TrainingTask {
  readonly plan: StudioPlan;
  readonly faces: readonly Pixels[];
  readonly steps: number;
  readonly train: Run;
  readonly frozen: Run;
  /** Called after every step; false stops the training. */
  readonly onStep: (report: StepReport) => Promise<boolean>;
}

/**
 * Trains theta in place by petalface's own recipe: every step draws faces, mirrors and degrades
 * them, and takes one AdamW step towards the frozen embeddings of the same faces sharp, which are
 * computed once for each.
 */
export async function train(task: TrainingTask, theta: Float32Array): Promise<void> {
  const { plan, faces, steps } = task;
  const { options, model } = plan;
  const draw = sampler(options, faces.length);
  const moments = freshMoments(theta.length, options.optimizer);
  const targets = teacher(task);
  const degrader = createDegrader();
  for (let step = 0; step < steps; step++) {
    const draws = draw(step);
    const target = await targets(draws);
    const shown = draws.map(({ index, flip, degrade }) => ({ pixels: faces[index], flip, degrade }));
    const results = await task.train({
      [plan.train.image]: inputOf(plan, planesOf(shown, model.size, degrader), draws.length),
      theta: { data: theta, dims: [theta.length] },
      target: { data: target, dims: [draws.length, model.width] },
    });
    const [loss] = outputOf(results, plan.train.loss);
    const gradient = outputOf(results, plan.train.gradient);
    const norm = l2Norm(gradient);
    if (loss === undefined || !Number.isFinite(loss) || !Number.isFinite(norm))
      throw new Error(
        `training diverged at step ${step + 1}; if this is WebGPU, try wasm: add ?provider=wasm to the address`,
      );
    const rate = learningRate(options, step, steps, faces.length / options.batch);
    optimize(theta, gradient, moments, step + 1, { ...options, rate, gradientScale: clipFactor(norm, options.clip) });
    const alphas = outputOf(results, plan.train.alpha);
    const alpha = alphas.reduce((sum, value) => sum + value, 0) / alphas.length;
    if (!(await task.onStep({ step: step + 1, loss, alpha }))) return;
  }
}

/** 8-bit planes as a network's input. */
export const inputOf = ({ model }: StudioPlan, planes: Uint8Array, count: number): Floats => {
  const { data, dims } = toInput(planes, count, count, model.size, model);
  return { data, dims };
};

/** Unit embeddings of the frozen network for the faces of a step, each computed once. */
function teacher({ plan, faces, frozen }: TrainingTask) {
  const { size, width, input, output } = plan.model;
  const rows = plan.options.batch;
  const known = new Map<string, Float32Array>();
  const keyOf = ({ index, flip }: { index: number; flip: boolean }): string => `${index}/${flip}`;
  return async (draws: readonly { index: number; flip: boolean }[]): Promise<Float32Array> => {
    const fresh = [...new Map(draws.map((draw) => [keyOf(draw), draw])).values()].filter(
      (draw) => !known.has(keyOf(draw)),
    );
    if (fresh.length > 0) {
      // The graph has a fixed batch; what is not fresh fills it up.
      const full = Array.from({ length: rows }, (_, i) => fresh[i % fresh.length]);
      const planes = planesOf(
        full.map(({ index, flip }) => ({ pixels: faces[index], flip })),
        size,
      );
      const embeddings = outputOf(await frozen({ [input]: inputOf(plan, planes, rows) }), output);
      fresh.forEach((draw, row) => {
        known.set(keyOf(draw), unit(embeddings.subarray(row * width, (row + 1) * width)));
      });
    }
    const target = new Float32Array(draws.length * width);
    draws.forEach((draw, row) => {
      const embedding = known.get(keyOf(draw));
      if (embedding === undefined) throw new Error(`face ${draw.index} has no embedding`);
      target.set(embedding, row * width);
    });
    return target;
  };
}

/** The vector scaled to length 1. */
export function unit(vector: Float32Array): Float32Array {
  const length = Math.max(l2Norm(vector), 1e-12);
  return vector.map((value) => value / length);
}
