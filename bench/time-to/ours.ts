/**
 * Our contender: `adapt` as anyone runs it, in a process of its own that takes orders on standard
 * input, as orders.py of `bench -- step`. Between two orders its training stands still.
 */
import { mkdtempSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBackbone } from "petalface/backbones";
import { adapt, createTargetCache, type TrainingChoices } from "petalface/training";
import { openTargetFile } from "../faces/kept.ts";
import { trainingFaces } from "../faces/run.ts";
import { usage } from "../skeleton/measured.ts";
import { modelFile } from "../skeleton/shared.ts";
import { model } from "./plan.ts";

const started = performance.now();
const { options, threads, kept } = JSON.parse(process.argv[2] ?? "{}") as {
  readonly options: TrainingChoices;
  readonly threads: number;
  /** Folder of known targets; without it they are computed as a first training computes them. */
  readonly kept?: string;
};

const say = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

/** Waits for a line, and holds up everything on this thread meanwhile. */
function readOrder(): number {
  const byte = new Uint8Array(1);
  let line = "";
  while (readSync(0, byte) === 1 && byte[0] !== 10) line += String.fromCharCode(byte[0] ?? 0);
  return Number(line);
}

const file = modelFile(model);
const data = await trainingFaces();
const backbone = await openBackbone(file);
const targetCache =
  kept === undefined
    ? createTargetCache(data.length, backbone.width)
    : (await openTargetFile(kept, backbone, data)).cache;
const out = mkdtempSync(join(tmpdir(), "petalface-time-to-"));
process.on("exit", () => rmSync(out, { recursive: true, force: true }));

const knownNow = (): number => targetCache.known.reduce((sum, value) => sum + value, 0);
let [steps, left, begin, used, known] = [0, 0, 0, process.cpuUsage(), 0];
await adapt(
  // As long as the longest training here, so that the learning rate stays high for a while.
  { model: file, train: data.spec, out: join(out, "run"), options: { ...options, epochs: 12 } },
  {
    data,
    threads,
    targetCache,
    onStep({ loss }) {
      left--;
      if (left > 0) return;
      if (steps === 0) say({ loss, startup: (performance.now() - started) / 1000 });
      else {
        const { user, system } = process.cpuUsage(used);
        const each = (value: number): number => value / steps;
        const seconds = each((performance.now() - begin) / 1000);
        say({ seconds, processor: each((user + system) / 1e6), targets: each(knownNow() - known), loss });
      }
      steps = readOrder();
      left = steps;
      if (steps === 0) {
        say({ peak: usage().peak });
        process.exit(0);
      }
      [begin, used, known] = [performance.now(), process.cpuUsage(), knownNow()];
    },
  },
);
throw new Error("the training ended before the orders did");
