import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadAdapter, saveAdapter } from "petalface/adapters";
import { learningRate, trainingOptions } from "petalface/training";
import { readRecord, recipeOf } from "../faces/recipe.ts";
import { type Job, trainingFaces } from "../faces/run.ts";
import { readFloats } from "../skeleton/floats.ts";
import type { Python } from "../skeleton/python.ts";
import { openShared } from "../skeleton/shared.ts";

const program = join(import.meta.dirname, "peer.py");

/** An order of peer.py, in a file. */
export async function peerOrder(
  file: string,
  order: {
    readonly stream: string;
    readonly threads: number;
    readonly channelsLast: boolean;
    /** Learning rate of each step, and folder of the result: it trains to the end. */
    readonly rates?: readonly number[];
    readonly out?: string;
  },
): Promise<string[]> {
  await writeFile(file, JSON.stringify(order));
  return [program, file];
}

/** Whether the peer's program has ended a training in the job's folder. */
export const isPeers = ({ folder }: Pick<Job, "folder">): boolean => existsSync(join(folder, "losses.json"));

/**
 * Trains by PyTorch and PEFT, unless that is done, and leaves what a training of petalface leaves:
 * an adapter in the folder `run`, and its record. It continues where it was stopped.
 *
 * @param ours a finished training of petalface with the same recipe
 * @param stream folder of {@link writeStream}, of as many images or more
 */
export async function trainPeer(job: Job, ours: Job, stream: string, python: Python): Promise<void> {
  const { folder, images, threads, contender, seed } = job;
  const asked = recipeOf(job);
  const [done, begun] = [join(folder, "training.json"), join(folder, "begun.json")];
  const known = await readRecord(done, asked);
  if (known !== undefined && isPeers(job)) return;
  // Neither another recipe's nor another program's training is continued.
  const isBegun = known === undefined && (await readRecord(begun, asked)) !== undefined;
  if (!isBegun) await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(begun, JSON.stringify({ asked }));
  const options = trainingOptions({ ...contender.options, seed });
  const steps = Math.round(images / options.batch);
  const epoch = (await trainingFaces()).length / options.batch;
  const rates = Array.from({ length: steps }, (_, step) => learningRate(options, step, steps, epoch));
  const started = performance.now();
  python.run(await peerOrder(join(folder, "order.json"), { stream, threads, channelsLast: true, rates, out: folder }));
  const seconds = (performance.now() - started) / 1000;
  const backbone = await openShared(job.model);
  const { config } = await loadAdapter(join(ours.folder, "run"), backbone);
  const theta = await readFloats(join(folder, "theta.f32"));
  await saveAdapter(join(folder, "run", "adapter"), backbone, { config, theta });
  await writeFile(done, JSON.stringify({ asked, seconds, trained: theta.length }));
}

/** Losses of the first steps, of the peer and of petalface's training of as many images. */
export async function firstLosses(peer: Job, ours: Job, steps: number): Promise<(readonly [number, number])[]> {
  const theirs = JSON.parse(await readFile(join(peer.folder, "losses.json"), "utf8")) as number[];
  const lines = (await readFile(join(ours.folder, "run", "metrics.jsonl"), "utf8")).trim().split("\n");
  return theirs.slice(0, steps).map((loss, at) => [loss, (JSON.parse(lines[at] ?? "{}") as { loss: number }).loss]);
}
