import fc from "fast-check";
import { expect } from "vitest";
import { itemAt } from "../../../src/graph/item-at.ts";
import { checkGradients, GraphBuilder, type Ops, ops, type Tensor } from "../../../src/index.ts";
import { random, run } from "../../run.ts";
import { noteOperators } from "../../support/operators.ts";

/** What an operator is tried on. */
export interface Trial {
  /** Inputs of the graph, differentiated by unless `wrt` says otherwise. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly wrt?: readonly string[];
  /** Operator set of the graph, 18 unless given. */
  readonly opset?: number;
  /** Leaves the first axis of these inputs open. */
  readonly open?: readonly string[];
  /**
   * Step of the finite differences. Linear functions take a large one, which drowns float32 noise.
   */
  readonly step?: number;
}

/** The worst relative error of the gradients of a random weighted sum of what `build` returns. */
export async function worstError(trial: Trial, build: (o: Ops) => string | string[]): Promise<number> {
  const b = new GraphBuilder({ name: "trial", opset: trial.opset ?? 18 });
  const feeds: Record<string, Tensor> = { ...trial.inputs };
  const batch = trial.open === undefined ? 0 : trial.inputs[itemAt(trial.open, 0)]?.dims[0];
  for (const [name, { dtype, dims }] of Object.entries(trial.inputs)) {
    const [first, ...rest] = dims;
    const open = trial.open?.includes(name) ? { symbol: "N", times: first / batch } : first;
    b.input(name, { dtype, shape: open === undefined ? [] : [open, ...rest] });
  }
  for (const [name, value] of Object.entries(trial.constants ?? {})) b.constant(value, name);
  const o = ops(b);
  const outputs = [build(o)].flat();
  const wrt = trial.wrt ?? Object.keys(trial.inputs);
  const tried = b.build(outputs);
  const parts = outputs.map((output, i) => {
    const shape = b.shape(output);
    const weights = random(
      shape.map((dim) => (typeof dim === "number" ? dim : dim.times * batch)),
      77 + i,
    );
    feeds[`weights${i}`] = weights;
    b.input(`weights${i}`, { dtype: "float32", shape });
    return o.reduceSum(o.mul(output, `weights${i}`), undefined, false);
  });
  const loss = o.sum(parts);
  const options = { loss, wrt, feeds, run, step: trial.step ?? 0.02 };
  const { worst } = await checkGradients(b.build([loss]), options);
  if (worst < tolerance) noteOperators(tried, wrt);
  return worst;
}

/**
 * Gradients may differ from finite differences by 3 parts in 1000, beyond what float32 cannot
 * resolve.
 */
export const tolerance = 3e-3;

/** Step for functions that are linear in each input. */
export const linear = 0.25;

/** Expects the gradients of one trial to agree with finite differences. */
export async function expectGradients(trial: Trial, build: (o: Ops) => string | string[]): Promise<void> {
  expect(await worstError(trial, build)).toBeLessThan(tolerance);
}

/**
 * Runs a property over values drawn from `arbitrary`; the seed is fixed so that a failure repeats.
 */
export async function forAll<T>(
  arbitrary: fc.Arbitrary<T>,
  property: (value: T) => Promise<void>,
  numRuns = 25,
): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, property), { numRuns, seed: 20 });
}

/** A shape of `min` to `max` axes, each 1 to 5 long. */
export const shapes = (min: number, max: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: 5 }), { minLength: min, maxLength: max });

/** Two shapes that broadcast against each other. */
export const broadcastPairs: fc.Arbitrary<[number[], number[]]> = fc
  .tuple(shapes(1, 4), fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), fc.integer({ min: 0, max: 3 }))
  .map(([shape, ones, shorter]) => [
    shape.map((dim, i) => (ones[i] && i >= shorter ? 1 : dim)),
    shape.map((dim, i) => (ones[i + 4] ? 1 : dim)).slice(Math.min(shorter, shape.length - 1)),
  ]);

/** Numbers in [low, high). */
export const within = (dims: readonly number[], seed: number, low: number, high: number): Tensor => {
  const tensor = random(dims, seed);
  const data = Float32Array.from(tensor.data as Float32Array, (value) => low + ((value + 1) / 2) * (high - low));
  return { dtype: "float32", dims, data };
};
