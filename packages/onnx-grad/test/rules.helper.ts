import { checkGradients, float32, GraphBuilder, type Ops, ops, type Shape, type Tensor } from "../src/index.ts";
import { random, run } from "./run.ts";

/** Values that an operator is tried on; numbers stand for shapes filled at random. */
export type Values = Readonly<Record<string, Tensor>>;

export interface Trial {
  /** Inputs of the graph to differentiate by. */
  readonly inputs: Values;
  /** Constants, not differentiated by unless listed in `wrt`. */
  readonly constants?: Values;
  readonly wrt?: readonly string[];
  readonly step?: number;
}

/** The worst relative error of the gradients of a random weighted sum of what `build` returns. */
export async function worstError(trial: Trial, build: (o: Ops, b: GraphBuilder) => string | string[]): Promise<number> {
  const b = new GraphBuilder({ name: "trial", opset: 18 });
  for (const [name, { dtype, dims }] of Object.entries(trial.inputs)) b.input(name, { dtype, shape: dims });
  for (const [name, value] of Object.entries(trial.constants ?? {})) b.constant(value, name);
  const o = ops(b);
  const outputs = [build(o, b)].flat();
  const parts = outputs.map((output, i) => {
    const weights = random(b.shape(output) as number[], 77 + i);
    return o.reduceSum(o.mul(output, b.constant(weights, "weights")), undefined, false);
  });
  const loss = o.sum(parts);
  const graph = b.build([loss]);
  const wrt = trial.wrt ?? Object.keys(trial.inputs);
  const { worst } = await checkGradients(graph, { loss, wrt, feeds: trial.inputs, run, step: trial.step ?? 0.02 });
  return worst;
}

/** A float32 constant of a shape, filled with one number. */
export const filled = (value: number, shape: Shape): Tensor =>
  float32(new Float32Array((shape as number[]).reduce((a, c) => a * c, 1)).fill(value), shape as number[]);
