import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { trainingOptions } from "petalface/training";
import type { Python } from "../skeleton/python.ts";
import { inTurns } from "../skeleton/turns.ts";
import { type Contender, startContender } from "../step/contender.ts";
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
  {
    kept,
    stream,
    work,
    threads,
    rounds,
    seconds,
  }: {
    readonly kept: string;
    readonly stream: string;
    readonly work: string;
    readonly threads: number;
    readonly rounds: number;
    readonly seconds: number;
  },
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
  const started = [
    { batch: trainingOptions(options).batch, contender: await ours(rowNames.known, { options, kept }) },
    { batch: trainingOptions(options).batch, contender: await ours(rowNames.first, { options }) },
    {
      batch: trainingOptions(reference.options).batch,
      contender: await ours(rowNames.reference, { options: reference.options, kept }),
    },
    { batch: trainingOptions(options).batch, contender: await peer(rowNames.peer, false) },
    { batch: trainingOptions(options).batch, contender: await peer(rowNames.peerLast, true) },
  ];
  const steps = started.map(() => 4);
  const processor = started.map((): number[] => []);
  const targets = started.map((): number[] => []);
  const turns = started.map(({ contender }, at) => async (round: number) => {
    const timing = await contender.run(itemAt(steps, at));
    if (round < 0) steps[at] = Math.max(1, Math.round(seconds / timing.seconds));
    else {
      itemAt(processor, at).push(timing.processor ?? Number.NaN);
      itemAt(targets, at).push(timing.targets ?? 0);
    }
    return timing.seconds;
  });
  const times = await inTurns(turns, { rounds, pause: 100 });
  const found: Speed[] = [];
  for (const [at, { batch, contender }] of started.entries())
    found.push({
      ...{ name: contender.name, batch, startup: contender.startup, seconds: itemAt(times, at) },
      ...{ processor: itemAt(processor, at), targets: itemAt(targets, at), peak: await contender.finish() },
    });
  return found;
}
