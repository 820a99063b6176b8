import { rm } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { openData, subset } from "petalface/data";
import { adapt, shrinkingRecipe, type TrainingChoices } from "petalface/training";
import type { Page } from "../skeleton/benchmark.ts";
import { addRow, table } from "../skeleton/page.ts";
import { lfw, modelFile } from "../skeleton/shared.ts";
import { median } from "../skeleton/statistics.ts";

/** Layers of MobileFaceNet at 7 x 7 pixels and the ones behind them. */
export const lastStage = "/features/features.13/*,/features/features.14/*,/conv2/*,/conv3/*";

const faces = 320;
const batch = 32;
const epochs = 3;

const contenders: readonly (readonly [string, TrainingChoices])[] = [
  ["petal, all its layers", {}],
  ["last stage", { sites: lastStage }],
  ["last stage, 1 variant, kept", { sites: lastStage, variants: 1 }],
];

/**
 * Trains each contender for three short epochs: the median time of a step, in the first epoch and
 * after it.
 */
export async function measureSpeed(threads: number, work: string): Promise<Page> {
  const data = subset(
    await openData(lfw),
    Array.from({ length: faces }, (_, i) => 40 * i),
  );
  const rows: string[][] = [];
  for (const [name, choices] of contenders) {
    const out = join(work, "speed");
    await rm(out, { recursive: true, force: true });
    const times: number[] = [];
    await adapt(
      { model: modelFile("mobilefacenet"), train: data.spec, options: { ...shrinkingRecipe, ...choices, epochs }, out },
      { data, threads, onStep: () => times.push(performance.now()) },
    );
    await rm(out, { recursive: true, force: true });
    const steps = times.slice(1).map((time, i) => time - itemAt(times, i));
    const rate = (part: readonly number[]): string => ((1000 * batch) / median(part)).toFixed(0);
    addRow(rows, [name, rate(steps.slice(0, faces / batch - 1)), rate(steps.slice(faces / batch))]);
  }
  return {
    name: "prefix-speed",
    title: "What frozen layers make of the images, computed once: speed",
    body: `MobileFaceNet on ${faces} photos of LFW, ${epochs} epochs of ${faces / batch} steps of ${batch}; images a second from the median step of
the first epoch (where distillation's targets, and what is kept, are computed) and of the others. What that costs in
accuracy: \`npm run bench -- prefix\`.

${table(["method", "images/s, first epoch", "images/s, later"], rows)}`,
  };
}
