import { GraphBuilder } from "../../build/builder.ts";
import { ops } from "../../build/ops.ts";
import { OnnxGradError } from "../../graph/errors.ts";
import type { Graph } from "../../graph/graph.ts";
import { entryOf } from "../../graph/item-at.ts";
import type { Run } from "../../graph/run.ts";
import { floatData, sizeOf, type Tensor } from "../../graph/tensor.ts";
import type { BatchPlace } from "../place.ts";
import { imageOf } from "./trace.ts";

/**
 * Two sets of images (and the same parameters, if the graph takes any) for the same small batch.
 */
export interface ProveRowsFeeds {
  readonly first: Readonly<Record<string, Tensor>>;
  readonly second: Readonly<Record<string, Tensor>>;
}

/** A value whose rows are not as they should be. */
export interface RowsProblem {
  readonly reason: string;
  /**
   * Whether all that is wrong is that changing an image changes no row, as behind weights of zero.
   */
  readonly still: boolean;
}

/**
 * Checks by running where the images lie in values of a graph: each image of a batch is sometimes
 * the first, sometimes the second of its two, in another pattern of runs for every image, and each
 * row of a value must be one of two things in just the pattern of the image that `places` gives it
 * to, to the bit. A row that depends on two images would be three things at least. So
 * ceil(log2(images + 1)) + 1 runs are enough. Each value is summed inside the graph over all axes
 * but that of its place, so that little memory is needed. A batch of 3 tells every two layouts
 * apart that differ. `run` must give the same bits for the same rows, as onnxruntime does on a CPU.
 * Returns the first problem of each value that has one.
 */
export async function proveRows(
  graph: Graph,
  places: ReadonlyMap<string, BatchPlace>,
  feeds: ProveRowsFeeds,
  run: Run,
): Promise<ReadonlyMap<string, RowsProblem>> {
  const batches = graph.inputs.flatMap((name) => {
    const changed = feeds.first[name];
    return changed !== undefined && feeds.second[name] !== changed ? [changed.dims[0] ?? 1] : [];
  });
  const [batch = 0] = batches;
  if (batch < 2 || batches.some((other) => other !== batch))
    throw new OnnxGradError(`the probe of graph "${graph.name}" needs one batch of at least 2 images, not ${batches}`);
  const { probe, names } = probeGraph(graph, places);
  const runs: Readonly<Record<string, Tensor>>[] = [];
  for (let at = 0; at < 1 + Math.ceil(Math.log2(batch + 1)); at++)
    runs.push(
      await run(
        probe,
        mixed(feeds, (image) => isSecond(image, at)),
      ),
    );
  const problems = new Map<string, RowsProblem>();
  for (const [value, place] of places) {
    const results = runs.map((results) => {
      const sums = results[entryOf(names, value)];
      return sums && floatData(sums);
    });
    const problem = problemOf(results, place, batch);
    if (problem !== undefined) problems.set(value, problem);
  }
  return problems;
}

/**
 * The pattern of an image: all are the first in run 0; then bit by bit the number of the image,
 * counted from 1.
 */
const isSecond = (image: number, run: number): boolean => run > 0 && (((image + 1) >> (run - 1)) & 1) === 1;

/** The graph with, for every value, its sums over all axes but that of the batch as an output. */
function probeGraph(
  graph: Graph,
  places: ReadonlyMap<string, BatchPlace>,
): { probe: Graph; names: Map<string, string> } {
  const b = new GraphBuilder(graph);
  const o = ops(b);
  const names = new Map<string, string>();
  for (const [value, { axis }] of places) {
    const axes = b.shape(value).flatMap((_, at) => (at === axis ? [] : [at]));
    names.set(value, o.identity(o.reduceSum(value, axes, false)));
  }
  return { probe: b.build([...names.values()]), names };
}

/** The first feeds with some images of the second. */
function mixed({ first, second }: ProveRowsFeeds, isSecond: (image: number) => boolean): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(first).map(([name, tensor]) => {
      const other = second[name];
      if (other === undefined || other === tensor) return [name, tensor];
      const length = sizeOf(tensor.dims.slice(1));
      const data = floatData(tensor).slice();
      for (let image = 0; image * length < data.length; image++)
        if (isSecond(image)) data.set(floatData(other).subarray(image * length, (image + 1) * length), image * length);
      return [name, { dtype: "float32", dims: tensor.dims, data }];
    }),
  );
}

/** What is wrong with a value, from its rows in every run. */
function problemOf(
  runs: readonly (Float32Array | undefined)[],
  place: BatchPlace,
  batch: number,
): RowsProblem | undefined {
  const rows = place.outer * batch * place.inner;
  const short = runs.findIndex((values) => values?.length !== rows);
  if (short >= 0) return { still: false, reason: `when run, it has ${runs[short]?.length ?? 0} rows and not ${rows}` };
  const moved = new Set<number>();
  for (let row = 0; row < rows; row++) {
    const image = imageOf(place, row, batch);
    const values = runs.map((values) => values?.[row]);
    const second = values.findIndex((_, run) => isSecond(image, run));
    const other = values.findIndex((value, run) => !Object.is(value, values[isSecond(image, run) ? second : 0]));
    if (other >= 0) {
      const reason = `when run, its row ${row} of ${rows} does not depend on image ${image} of ${batch} alone`;
      return { still: false, reason };
    }
    if (!Object.is(values[0], values[second])) moved.add(image);
  }
  const still = Array.from({ length: batch }, (_, image) => image).find((image) => !moved.has(image));
  if (still === undefined) return undefined;
  return { still: true, reason: `when run, it does not change with image ${still} of ${batch}` };
}
