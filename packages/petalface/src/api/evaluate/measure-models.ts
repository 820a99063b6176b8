import { openEmbedder } from "../../backbones/index.ts";
import { isDrawn } from "../../data/index.ts";
import {
  countEmbeddings,
  degradationLabel,
  type EvaluationResult,
  evaluate,
  type Fusion,
  type KeptGallery,
  type LeftOut,
  measureResolution,
  type Protocol,
} from "../../evaluation/index.ts";
import { type Loader, openLoader } from "../../images/index.ts";
import type { CopyOptions } from "../../matching/index.ts";
import { openResources } from "../../resources.ts";
import { type CacheOptions, openCache } from "../cache.ts";
import type { Engine, OpenedModel } from "../model.ts";
import type { Surroundings } from "../surroundings.ts";
import { frozenModel } from "./frozen-model.ts";
import { measureBoth } from "./measured.ts";

/** Memory for decoded faces; beyond it faces are decoded again. */
const decodedCacheBytes = 128 * 2 ** 20;

/** What is measured, and how. */
export interface MeasureTask extends CacheOptions {
  readonly protocol: Protocol;
  readonly degradations: readonly string[];
  readonly fusion: Fusion;
  /** Copies to enrol, too. */
  readonly copies: CopyOptions | undefined;
  /** Measures the adapted model also with the frozen model's gallery. */
  readonly gallery: KeptGallery | undefined;
  readonly bootstrap: { readonly resamples: number; readonly seed: number };
  readonly engine: Engine;
}

/** The frozen model's result, and the adapted one's where there is an adapter. */
export interface BothResults {
  readonly frozen: EvaluationResult;
  readonly adapted: EvaluationResult | undefined;
}

/**
 * Measures a frozen model and, where there is one, the adapted model on the same faces; and how
 * sharp these are as given.
 */
export async function measureModels(
  opened: OpenedModel,
  task: MeasureTask,
  context: Surroundings,
): Promise<BothResults> {
  const { backbone, adapter } = opened;
  const { size } = backbone;
  const { protocol, engine } = task;
  const { signal } = context;
  // Every face is wanted by both models and at every resolution: decoded ones are kept while there
  // is room.
  const { data } = protocol;
  const kept = { cacheBytes: decodedCacheBytes, faces: data.length, drawn: isDrawn(data) };
  await using loader = openLoader({ size, threads: engine.threads, ...kept });
  const both = await measureBoth(
    (leave) => measure("frozen", frozenModel(opened, task.copies), { ...task, loader }, context, leave),
    adapter && ((leave) => measure("adapted", opened, { ...task, loader }, context, leave)),
    context,
  );
  const resolution = await measureResolution({ protocol, loader, size, engine, signal });
  const adapted = both.adapted && { ...both.adapted, resolution };
  return { frozen: { ...both.frozen, resolution }, adapted };
}

async function measure(
  name: string,
  opened: OpenedModel,
  task: MeasureTask & { readonly loader: Loader },
  context: Surroundings,
  leave: LeftOut | undefined,
): Promise<EvaluationResult> {
  const { model } = opened;
  const { engine } = task;
  await using open = openResources();
  const store = open.keep(await openCache(task, opened, engine, context));
  const embedder = open.keep(await openEmbedder(model, engine));
  const progress = context.progress(`measuring the ${name} model`, countEmbeddings(task), "faces");
  try {
    return await evaluate({
      ...task,
      model: embedder,
      store,
      leave,
      signal: context.signal,
      threads: engine.threads,
      onProgress: ({ done, degradation }) =>
        progress.update(done, degradation === null ? "as given" : degradationLabel(degradation)),
    });
  } finally {
    progress.close();
  }
}
