import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { itemAt } from "onnx-grad";
import { inTurns } from "../skeleton/turns.ts";

/** Program of our own contender; its one argument is an order in JSON. */
export const ourProgram = join(import.meta.dirname, "ours.ts");

/** One line that a contender says about the steps it ran. */
export interface Timing {
  /** Wall time of one step. */
  readonly seconds: number;
  /** Processor time of one step, all threads together. */
  readonly processor: number;
  /** Frozen embeddings that were computed as targets in one step. */
  readonly targets: number;
  readonly loss: number;
}

/** A training program that waits for orders. */
export interface Contender {
  readonly name: string;
  /** Seconds until the first step was done. */
  readonly startup: number;
  run(steps: number): Promise<Timing>;
  /** Ends the program; its peak of resident memory in bytes. */
  finish(): Promise<number>;
}

/**
 * Starts a program that says one JSON line when its first step is done, one for each order (a
 * number of steps), and its peak after 0.
 */
export async function startContender(name: string, program: string, args: readonly string[]): Promise<Contender> {
  const child: ChildProcess = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error(`${name} did not start`);
  const lines = createInterface(stdout)[Symbol.asyncIterator]();
  const answer = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended early with exit code ${child.exitCode}`);
    return JSON.parse(value) as T;
  };
  const order = <T>(steps: number): Promise<T> => {
    stdin.write(`${steps}\n`);
    return answer<T>();
  };
  const { startup } = await answer<{ readonly startup: number }>();
  return {
    name,
    startup,
    run: (steps) => order<Timing>(steps),
    finish: async () => (await order<{ peak: number }>(0)).peak,
  };
}

/**
 * Times steps of all contenders, alternately: what each says in each round. A round of each takes
 * about as long.
 *
 * @param warmUp steps of the round before
 */
export async function timeSteps(
  contenders: readonly Contender[],
  { rounds, seconds, warmUp }: Readonly<Record<"rounds" | "seconds" | "warmUp", number>>,
): Promise<Timing[][]> {
  const steps = contenders.map(() => warmUp);
  const timings = contenders.map((): Timing[] => []);
  const turns = contenders.map((contender, at) => async (round: number) => {
    const timing = await contender.run(itemAt(steps, at));
    if (round < 0) steps[at] = Math.max(1, Math.round(seconds / timing.seconds));
    else timings[at].push(timing);
    return timing.seconds;
  });
  await inTurns(turns, { rounds, pause: 100 });
  return timings;
}
