import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { adapt, resume, type TrainingChoices, trainingOptions } from "petalface/training";
import { trainingFaces } from "../faces/run.ts";
import { modelFile } from "../skeleton/shared.ts";
import type { CeilingData } from "./ceiling.ts";
import type { Contender } from "./plan.ts";

/** A contender to train. */
export interface Training {
  readonly model: string;
  readonly contender: Contender;
  /** Instead of the contender's own; 0: its own. */
  readonly images: number;
  /** On top of the contender's. */
  readonly choices: TrainingChoices;
  readonly seed: number;
  readonly threads: number;
  readonly work: string;
  /** Instead of LFW's people who are shown nowhere. */
  readonly ceiling?: CeilingData | undefined;
  /** Run whose adapter training starts from. */
  readonly init?: string | undefined;
}

/** Trains a contender, or continues it, unless it is there; returns its folder. */
export async function trained(training: Training): Promise<string> {
  const { model, contender, images, choices, seed, threads, work, ceiling, init } = training;
  const budget = images > 0 ? images : contender.images;
  const options = { ...contender.options, ...choices };
  // Another recipe under the same name, or other defaults, are another training.
  const recipe = JSON.stringify(trainingOptions(options));
  const hash = createHash("sha256").update(recipe).digest("hex").slice(0, 8);
  const label = `${contender.name}-${budget ?? "default"}-${hash}`.replaceAll(/[^a-z0-9]+/gi, "-");
  const folder = join(work, model, label, String(seed));
  if (existsSync(join(folder, "adapter", "adapter_model.safetensors"))) return folder;
  const data = ceiling?.data ?? (await trainingFaces());
  const context = { data, threads, ...(ceiling && { targetCache: ceiling.targetCache }) };
  if (existsSync(join(folder, "run.json"))) await resume(folder, context);
  else {
    await mkdir(join(folder, ".."), { recursive: true });
    const request = { model: modelFile(model), train: data.spec, out: folder, init };
    const epochs = budget === undefined ? {} : { epochs: budget / data.length };
    await adapt({ ...request, options: { ...options, seed, ...epochs } }, context);
  }
  return folder;
}
