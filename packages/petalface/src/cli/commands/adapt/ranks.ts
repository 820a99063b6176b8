import type { MpiRanks } from "../../../cluster/index.ts";
import type { CliContext } from "../../context.ts";
import { describeFailure, stackOf } from "../../failure.ts";

/**
 * Runs a command's work on every rank. Rank 0 prints; a failure of any rank is one line that names
 * it, and ends all.
 */
export async function onRanks(
  ranks: MpiRanks,
  context: CliContext,
  work: (context: CliContext) => Promise<void>,
): Promise<void> {
  const { rank, count, hosts, library, watched } = ranks;
  try {
    if (rank === 0) {
      const machines = new Set(hosts).size;
      context.note(
        `${count} processes on ${machines} ${machines === 1 ? "machine" : "machines"} train together (${library})`,
      );
      if (!watched)
        context.note(
          "warning: the processes cannot connect to rank 0, so a process that dies is not named; open its ports",
        );
    }
    const own = rank === 0 ? context : silent(context);
    await work(own);
    context.exitCode = own.exitCode;
    await ranks.close();
  } catch (error) {
    const { exitCode, failure } = describeFailure(error, context.signal, "adapt");
    if (context.debug && exitCode === 1) process.stderr.write(`rank ${rank}: ${stackOf(error)}\n`);
    // Before the other ranks end: a launcher may then end this one too.
    if (rank === 0 && context.json && failure !== undefined)
      process.stdout.write(`${JSON.stringify({ error: failure }, undefined, 2)}\n`);
    // Other ranks may be stuck in an exchange with this one: nothing is waited for.
    process.exit(await ranks.fail({ message: failure?.message ?? "", exitCode }));
  }
}

/** The context of a rank that prints nothing. */
function silent(context: CliContext): CliContext {
  const nothing = (): void => undefined;
  return {
    ...context,
    result: nothing,
    print: nothing,
    note: nothing,
    noteOnce: nothing,
    progress: () => ({ update: nothing, close: nothing }),
  };
}
