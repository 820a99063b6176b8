import { join } from "node:path";
import { trainingOptions } from "petalface/training";
import type { Python } from "../skeleton/python.ts";
import { type Contender, startContender, type Timing, timeSteps } from "../step/contender.ts";
import { peerOrder } from "./peer.ts";
import { contenders, reference } from "./plan.ts";

/** How fast a program trains. */
export interface Speed {
  readonly name: string;
  /** Images of a step. */
  readonly batch: number;
  /** Seconds from the program's start to the end of its first step. */
  readonly startup: number;
  /** Seconds of a step, one number a round. */
  readonly seconds: readonly number[];
  /** Processor time of a step in seconds, one number a round. */
  readonly processor: readonly number[];
  /** Targets that it computed in a step, one number a round; 0 where they are known. */
  readonly targets: readonly number[];
  /** Peak of resident memory in bytes. */
  readonly peak: number;
}

/** Names of the rows, which {@link minutesOf} looks for. */
export const rowNames = {
  known: "petalface, targets known",
  first: "petalface, first epoch",
  reference: "reference, targets known",
  peer: "PyTorch + PEFT",
  peerLast: "PyTorch + PEFT, channels-last",
} as const;

/**
 * Times steps of all, alternately: petalface as a whole, with and without targets that are known,
 * and the peer on what is prepared for it.
 */
export async function measureSpeed(
  python: Python,
  { kept, stream, work }: Readonly<Record<"kept" | "stream" | "work", string>>,
  { threads, rounds, seconds }: Readonly<Record<"threads" | "rounds" | "seconds", number>>,
): Promise<Speed[]> {
  const ours = (name: string, order: object): Promise<Contender> => {
    const program = join(import.meta.dirname, "ours.ts");
    return startContender(name, process.execPath, [program, JSON.stringify({ ...order, threads })]);
  };
  const peer = async (name: string, channelsLast: boolean): Promise<Contender> => {
    const file = join(work, `time-${channelsLast ? "last" : "first"}.json`);
    return startContender(name, python.path, await peerOrder(file, { stream, threads, channelsLast }));
  };
  const { options } = contenders.ours;
  const { batch } = trainingOptions(options);
  const started = [
    { batch, contender: await ours(rowNames.known, { options, kept }) },
    { batch, contender: await ours(rowNames.first, { options }) },
    {
      batch: trainingOptions(reference.options).batch,
      contender: await ours(rowNames.reference, { options: reference.options, kept }),
    },
    { batch, contender: await peer(rowNames.peer, false) },
    { batch, contender: await peer(rowNames.peerLast, true) },
  ];
  const timings = await timeSteps(
    started.map(({ contender }) => contender),
    { rounds, seconds, warmUp: 4 },
  );
  const found: Speed[] = [];
  for (const [at, { batch, contender }] of started.entries()) {
    const each = (of: keyof Timing): number[] => timings[at].map((timing) => timing[of] ?? 0);
    found.push({
      ...{ name: contender.name, batch, startup: contender.startup, seconds: each("seconds") },
      ...{ processor: each("processor"), targets: each("targets"), peak: await contender.finish() },
    });
  }
  return found;
}
