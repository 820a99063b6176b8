/**
 * Our contender: `adapt` as anyone runs it, in a process of its own.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBackbone } from "petalface/backbones";
import { adapt, createTargetCache, type TrainingChoices } from "petalface/training";
import { countKnown, openTargetFile } from "../faces/kept.ts";
import { trainingFaces } from "../faces/run.ts";
import { modelFile } from "../skeleton/shared.ts";
import { takeOrders } from "../step/orders.ts";
import { model } from "./plan.ts";

const stepDone = takeOrders(() => countKnown(targetCache));
const { options, threads, kept } = JSON.parse(process.argv[2] ?? "{}") as {
  readonly options: TrainingChoices;
  readonly threads: number;
  /** Folder of known targets; without it they are computed as a first training computes them. */
  readonly kept?: string;
};

const file = modelFile(model);
const data = await trainingFaces();
const backbone = await openBackbone(file);
const targetCache =
  kept === undefined
    ? createTargetCache(data.length, backbone.width)
    : (await openTargetFile(kept, backbone, data)).cache;
const out = mkdtempSync(join(tmpdir(), "petalface-time-to-"));
process.on("exit", () => rmSync(out, { recursive: true, force: true }));

await adapt(
  // As long as the longest training here, so that the learning rate stays high for a while.
  { model: file, train: data.spec, out: join(out, "run"), options: { ...options, epochs: 12 } },
  { data, threads, targetCache, onStep: ({ loss }) => stepDone(loss) },
);
throw new Error("the training ended before the orders did");
