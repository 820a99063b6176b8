import { setTimeout as sleep } from "node:timers/promises";
import { itemAt } from "onnx-grad";

/** Seconds of the clock that a call takes. */
export async function wallSeconds(work: () => Promise<unknown> | unknown): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

/**
 * Processor time of this process while a call ran, all threads together, in seconds: other work on
 * the machine hardly counts.
 */
export async function processorSeconds(work: () => Promise<unknown> | unknown): Promise<number> {
  const begin = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
}

/**
 * Lets contenders take turns, each round in another order, so that whatever else the machine does
 * meets all of them. A round before the counted ones warms up.
 *
 * @param contenders one turn of each; returns its seconds. `round` is -1 while warming up.
 * @param pause milliseconds before each turn: who ran before may have threads that still wait
 * busily
 * @returns seconds, `[contender][round]`
 */
export async function inTurns(
  contenders: readonly ((round: number) => Promise<number>)[],
  { rounds, pause = 0 }: { readonly rounds: number; readonly pause?: number },
): Promise<number[][]> {
  const seconds = contenders.map((): number[] => []);
  const { length } = contenders;
  for (let round = -1; round < rounds; round++)
    for (let i = 0; i < length; i++) {
      const at = (i + round + length) % length;
      if (pause > 0) await sleep(pause);
      const took = await itemAt(contenders, at)(round);
      if (round >= 0) itemAt(seconds, at).push(took);
    }
  return seconds;
}
