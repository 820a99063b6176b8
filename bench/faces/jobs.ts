import { basename } from "node:path";
import { inProcess } from "../skeleton/children.ts";
import { finishedJob, type Job } from "./run.ts";
import type { Cell } from "./table.ts";

/** How jobs are run. */
export interface Running {
  /** At a time. */
  readonly atOnce: number;
  /** Nothing is run; only what is finished counts. */
  readonly render: boolean;
}

/**
 * Runs the jobs that have not ended before, some at a time. One that fails is named and left out:
 * training may diverge at a high rate. It is tried again by the next call.
 *
 * @returns the finished ones, in their order
 */
export async function runAll(jobs: readonly Job[], { atOnce, render }: Running): Promise<Cell[]> {
  const waiting = render ? [] : [...jobs];
  const next = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift())
      if ((await finishedJob(job)) === undefined) await runOne(job);
  };
  await Promise.all(Array.from({ length: atOnce }, next));
  const cells: Cell[] = [];
  for (const job of jobs) {
    const done = await finishedJob(job);
    if (done !== undefined) cells.push({ job, done });
  }
  return cells;
}

async function runOne(job: Job): Promise<void> {
  const what = `${job.model} ${job.contender.name} seed ${job.seed}, ${basename(job.folder)}, fold ${job.folds.join(" ")}`;
  try {
    const { value: trained, seconds } = await inProcess<number>("faces", job);
    console.error(`${what}: trained ${trained.toFixed(0)} s, ${seconds.toFixed(0)} s in all`);
  } catch (error) {
    console.error(`${what}: failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
