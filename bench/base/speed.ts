import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { readFloats } from "../skeleton/floats.ts";
import { relativeError } from "../skeleton/statistics.ts";
import { inTurns } from "../skeleton/turns.ts";
import { type Contender, ourProgram, startContender } from "../step/contender.ts";
import { openNetwork } from "../step/networks.ts";
import { writeWorkload } from "../step/workload.ts";

/** A training step with one form of the frozen weights. */
export interface StepCost {
  readonly base: string;
  /** Processor time in seconds, all threads together, of each round. */
  readonly processor: readonly number[];
  /** Peak of resident memory in bytes. */
  readonly peak: number;
  /** Length of the difference of theta's gradient from float32's, over its length. */
  readonly error: number;
}

const batch = 32;

/** Runs steps of both forms alternately, each in a separate process, on noise. */
export async function measureSteps(
  model: string,
  { work, threads, rounds, steps }: { work: string; threads: number; rounds: number; steps: number },
): Promise<StepCost[]> {
  const folder = join(work, "step");
  await mkdir(folder, { recursive: true });
  await copyFile(model, join(folder, "model.onnx"));
  await writeWorkload(await openNetwork("hybrid", model), batch, folder);
  const start = (base: string): Promise<Contender> => {
    const order = { network: "hybrid", batch, threads, folder, task: "step", values: base, int8: base === "int8" };
    return startContender(base, process.execPath, [ourProgram, JSON.stringify(order)]);
  };
  const running = [await start("float32"), await start("int8")];
  const times = await inTurns(
    running.map((contender) => async () => (await contender.run(steps)).processor),
    { rounds },
  );
  const exact = await readFloats(join(folder, "float32.f32"));
  const costs: StepCost[] = [];
  for (const [at, contender] of running.entries()) {
    const error = relativeError(await readFloats(join(folder, `${contender.name}.f32`)), exact);
    costs.push({ base: contender.name, processor: itemAt(times, at), peak: await contender.finish(), error });
  }
  return costs;
}
