import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { commandLine, runNode } from "../skeleton/children.ts";

/** Seconds of a run of one step, from the launch of the command. */
export interface StartTimes {
  /** To the end of the step: when its line is in the run's `metrics.jsonl`. */
  readonly step: number;
  /** To the end of the process. */
  readonly whole: number;
}

/**
 * Times a training command of one step, as its user starts it: nothing else is loaded into its
 * process.
 *
 * @param args those after `petalface`; the run has one step and no validation
 * @param folder of the run, which `args` name; one of an earlier run is removed
 * @param installed folder that the packed package is installed in; undefined: the sources
 * @throws what the command says when it fails
 */
export async function timeStart(
  args: readonly string[],
  folder: string,
  installed: string | undefined,
): Promise<StartTimes> {
  await rm(folder, { recursive: true, force: true });
  // The clock of the file system, whose times are compared with it.
  const launched = Date.now();
  const { seconds: whole } = await runNode([commandLine(installed), ...args]);
  // A run of one step writes the file once, right after its step.
  const { mtimeMs } = await stat(join(folder, "metrics.jsonl"));
  return { step: (mtimeMs - launched) / 1000, whole };
}
