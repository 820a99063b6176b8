import { GraphBuilder } from "../builder.ts";
import { OnnxGradError } from "../errors.ts";
import type { Graph } from "../graph.ts";
import { ops } from "../ops.ts";
import { imageOf } from "../rows.ts";
import type { Run } from "../run.ts";
import type { BatchPlace } from "../set-batch/place.ts";
import { sizeOf, type Tensor } from "../tensor.ts";

/** Two sets of images (and the same parameters, if the graph takes any) for the same small batch. */
export interface ProveRowsFeeds {
  readonly first: Readonly<Record<string, Tensor>>;
  readonly second: Readonly<Record<string, Tensor>>;
}

/** A value whose rows are not as they should be. */
export interface RowsProblem {
  readonly reason: string;
  /** Whether all that is wrong is that changing an image changes no row, as behind weights of zero. */
  readonly still: boolean;
}

/**
 * Checks by running where the images lie in values of a graph: changes one image of a batch at a time, and looks which rows of each value
 * change. They must be some of those that `places` gives to that image, and no others, to the bit. Each value is summed inside the graph
 * over all axes but that of its place, so that little memory is needed. A batch of 3 tells every two layouts apart that differ.
 * `run` must give the same bits for the same rows, as onnxruntime does on a CPU. Returns the first problem of each value that has one.
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
  const before = await run(probe, feeds.first);
  const problems = new Map<string, RowsProblem>();
  for (let image = 0; image < batch; image++) {
    const after = await run(probe, mixed(feeds, image));
    for (const [value, place] of places) {
      const output = names.get(value) as string;
      const problem = problemOf(before[output], after[output], place, image, batch);
      const known = problems.get(value);
      if (problem !== undefined && (known === undefined || (known.still && !problem.still)))
        problems.set(value, problem);
    }
  }
  return problems;
}

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

/** The first feeds with one image of the second. */
function mixed({ first, second }: ProveRowsFeeds, image: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(first).map(([name, tensor]) => {
      const other = second[name];
      if (other === undefined || other === tensor) return [name, tensor];
      const length = sizeOf(tensor.dims.slice(1));
      const data = (tensor.data as Float32Array).slice();
      data.set((other.data as Float32Array).subarray(image * length, (image + 1) * length), image * length);
      return [name, { ...tensor, data } as Tensor];
    }),
  );
}

function problemOf(
  before: Tensor | undefined,
  after: Tensor | undefined,
  place: BatchPlace,
  image: number,
  batch: number,
): RowsProblem | undefined {
  const [old, now] = [before?.data, after?.data];
  const rows = place.outer * batch * place.inner;
  if (old === undefined || now === undefined || old.length !== rows || now.length !== rows)
    return { still: false, reason: `when run, it has ${old?.length ?? 0} rows and not ${rows}` };
  let changed = 0;
  for (let row = 0; row < rows; row++) {
    if (Object.is(old[row], now[row])) continue;
    const own = imageOf(place, row, batch);
    if (own !== image) {
      const reason = `when run, its row ${row} of ${rows} changes with image ${image} of ${batch}, not with image ${own} alone`;
      return { still: false, reason };
    }
    changed++;
  }
  if (changed > 0) return undefined;
  return { still: true, reason: `when run, it does not change with image ${image} of ${batch}` };
}
