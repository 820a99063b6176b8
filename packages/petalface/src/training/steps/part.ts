import { itemAt, type Tensor } from "onnx-grad";
import { floatsOf, type Session } from "../../runtime/index.ts";
import { followLossState } from "../losses/running.ts";
import { vector } from "./feeds.ts";
import type { StepTask } from "./task.ts";

type Results = Awaited<ReturnType<Session["run"]>>;

/** What a round of parts gives on this rank. */
export interface ComputedPart {
  /** Undefined where this rank has no part in the round. */
  readonly results: Results | undefined;
  /** What the loss keeps after the parts of all ranks. */
  readonly lossState: Float32Array;
}

/**
 * Computes this rank's part of a round. A loss that keeps numbers takes them from the part before,
 * which another rank computes at the same time. So each rank first finds what its own images say,
 * which needs none of that. Then all exchange it, and each but the first computes its part again.
 * A part takes twice the time then, and has the bits that one process gives it.
 *
 * @param feeds of this rank's part, but for what the loss keeps; undefined where it has none
 * @param lossState what the loss keeps before the round
 */
export async function runPart(
  { engine, graph: { outputs }, options, ranks, share }: StepTask,
  feeds: Record<string, Tensor> | undefined,
  round: number,
  lossState: Float32Array,
): Promise<ComputedPart> {
  const run = async (state: Float32Array): Promise<Results | undefined> =>
    feeds && (await engine.run(outputs.lossState === undefined ? feeds : { ...feeds, loss_state: vector(state) }));
  const results = await run(lossState);
  const { lossState: after, lossFound: found } = outputs;
  if (after === undefined || found === undefined) return { results, lossState };
  if (ranks.count === 1) return { results, lossState: results === undefined ? lossState : floatsOf(results, after) };
  const all = await ranks.gather([
    results === undefined ? new Float32Array(lossState.length) : floatsOf(results, found),
  ]);
  const before = [lossState];
  for (let rank = 0; rank < ranks.count && share.partOf(round, rank) !== undefined; rank++)
    before.push(followLossState(options, itemAt(before, rank), itemAt(itemAt(all, rank), 0)));
  return {
    results: ranks.rank === 0 || results === undefined ? results : await run(itemAt(before, ranks.rank)),
    lossState: itemAt(before, before.length - 1),
  };
}
