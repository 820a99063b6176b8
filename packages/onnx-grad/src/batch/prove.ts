import { type Shape, timesOf } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph, ValueType } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import type { Run } from "../graph/run.ts";
import { floatData, sizeOf, type Tensor } from "../graph/tensor.ts";

/** Options of {@link proveBatch}. */
export interface ProveOptions {
  /**
   * How many times the batch of `graph` is run; 3 unless given or unless the batch of `batched` is
   * fixed.
   */
  readonly rounds?: number;
  /** Largest relative difference (L2 norm) that passes; 1e-4 unless given. */
  readonly tolerance?: number;
  /** Least and largest number of an image; -1 and 1 unless given. */
  readonly range?: readonly [number, number];
  /**
   * Inputs whose numbers are the same in both runs (a parameter vector); unless given, every input
   * holds images.
   */
  readonly shared?: readonly string[];
}

/**
 * Runs random images (always the same) through a graph and through the same graph with another
 * batch, and compares. Where `batched` has a fixed batch it must be a multiple of that of `graph`.
 * Only float32 inputs and outputs are supported. Returns the largest relative difference of an
 * output. Throws OnnxGradError if it is beyond the tolerance or no number.
 */
export async function proveBatch(graph: Graph, batched: Graph, run: Run, options: ProveOptions = {}): Promise<number> {
  const { tolerance = 1e-4, shared = [], range = [-1, 1] } = options;
  const images = graph.inputs.filter((name) => !shared.includes(name));
  const rounds = options.rounds ?? roundsOf(graph, batched, images);
  const separate: Record<string, Tensor>[] = Array.from({ length: rounds }, () => ({}));
  const together: Record<string, Tensor> = {};
  graph.inputs.forEach((name, index) => {
    const dims = closed(typeOf(graph, name).shape);
    const parts = separate.map((_, round) =>
      shared.includes(name) ? noise(dims, index, [-1, 1]) : noise(dims, index + 1000 * (round + 1), range),
    );
    separate.forEach((feeds, round) => {
      feeds[name] = itemAt(parts, round);
    });
    together[name] = shared.includes(name) ? itemAt(parts, 0) : join(parts);
  });
  const expected: Record<string, Tensor>[] = [];
  for (const feeds of separate) expected.push(await run(graph, feeds));
  const actual = await run(batched, together);
  let worst = 0;
  for (const name of graph.outputs) {
    const difference = relative(join(expected.map((outputs) => outputOf(outputs, name))), outputOf(actual, name));
    if (!(difference <= tolerance)) {
      throw new OnnxGradError(
        `output "${name}" of graph "${graph.name}" differs by ${difference} (relative L2, at most ${tolerance}) ` +
          `when ${rounds} batches run together: the model mixes images, or its batch has another axis`,
      );
    }
    worst = Math.max(worst, difference);
  }
  return worst;
}

function typeOf(graph: Graph, name: string): ValueType {
  const type = graph.types.get(name);
  if (type?.dtype !== "float32")
    throw new OnnxGradError(`input "${name}" is not a float32 image; it cannot be generated`);
  return type;
}

/** A shape with one image where the batch is open. */
const closed = (shape: Shape): number[] => shape.map(timesOf);

function roundsOf(graph: Graph, batched: Graph, images: readonly string[]): number {
  const [first = ""] = images;
  const [one = 1] = closed(typeOf(graph, first).shape);
  const many = typeOf(batched, first).shape[0] ?? 1;
  if (typeof many !== "number") return 3;
  if (many % one !== 0)
    throw new OnnxGradError(`a batch of ${many} is not a multiple of ${one}; the two cannot be compared`);
  return many / one;
}

/** Evenly spread numbers of a range by Marsaglia's xorshift. */
function noise(dims: readonly number[], seed: number, [low, high]: readonly [number, number]): Tensor {
  const [middle, half] = [(low + high) / 2, (high - low) / 2];
  let state = (seed + 1) * 0x9e3779b1;
  const data = Float32Array.from({ length: sizeOf(dims) }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return middle + half * (state / 2 ** 31);
  });
  return { dtype: "float32", dims, data };
}

/** Tensors one after the other along their first axis. */
function join(parts: readonly Tensor[]): Tensor {
  const { dims } = itemAt(parts, 0);
  const data = Float32Array.from(parts.flatMap((part) => Array.from(floatData(part))));
  return { dtype: "float32", dims: [(dims[0] ?? 1) * parts.length, ...dims.slice(1)], data };
}

function outputOf(outputs: Record<string, Tensor>, name: string): Tensor {
  const tensor = outputs[name];
  if (tensor?.dtype !== "float32") throw new OnnxGradError(`output "${name}" is not a float32 tensor`);
  return tensor;
}

/** L2 norm of the difference by that of `expected`; infinite if the shapes differ. */
function relative(expected: Tensor, actual: Tensor): number {
  if (String(expected.dims) !== String(actual.dims)) return Number.POSITIVE_INFINITY;
  let error = 0;
  let norm = 0;
  expected.data.forEach((value, index) => {
    error += (Number(value) - Number(actual.data[index])) ** 2;
    norm += Number(value) ** 2;
  });
  return Math.sqrt(error) / Math.max(Math.sqrt(norm), 1e-30);
}
