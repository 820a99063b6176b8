import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type Adapter, adaptedModel, exportModel } from "../../adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "../../backbones/index.ts";
import { type FaceData, isDrawn, type Unreadable } from "../../data/index.ts";
import {
  createKeptGallery,
  type EvaluationResult,
  evaluate,
  type FaceResolution,
  type KeptGallery,
  measureResolution,
} from "../../evaluation/index.ts";
import { type Loader, openLoader } from "../../images/index.ts";
import { defaultCopyWeight } from "../../matching/index.ts";
import { openResources } from "../../resources.ts";
import { adapt, createTargetCache, type RunRecord, type TargetCache } from "../../training/index.ts";
import { noteLeftOut } from "../data.ts";
import { measureBoth } from "../evaluate/measured.ts";
import type { Surroundings } from "../surroundings.ts";
import { checkExport } from "./check.ts";
import { type Deadline, watchTraining } from "./deadline.ts";
import { demoFiles } from "./folder.ts";
import {
  type DemoFaces,
  type DemoMethod,
  type DemoSize,
  demoFaces,
  demoModel,
  demoPixels,
  mainMethod,
  otherMethods,
} from "./plan.ts";

/** A model that the demo measured. */
export interface DemoResult {
  readonly name: string;
  readonly about: string;
  readonly result: EvaluationResult;
  readonly run?: RunRecord;
}

/** What the demo has after its main job, and at its end. */
export interface DemoOutcome {
  readonly backbone: Backbone;
  readonly faces: DemoFaces;
  /** The frozen model, petal, and then what else was measured. */
  readonly results: readonly [DemoResult, DemoResult, ...DemoResult[]];
  /** The exported model, and the largest difference of its embeddings from the adapted model's. */
  readonly exported: { readonly path: string; readonly difference: number };
  /** Faces that no method was trained on; what was not measured is in the results. */
  readonly untrained: Unreadable;
  /** Methods that did not fit into the time. */
  readonly leftOut: readonly string[];
  /** Seconds that the main method took to train and measure. */
  readonly methodSeconds: number;
}

/** What the demo is to do. */
export interface DemoRequest {
  /** The folder for everything; prepared (see demo/folder.ts). */
  readonly out: string;
  /** The user's own faces; synthetic people unless given. */
  readonly data: FaceData | undefined;
  readonly size: DemoSize;
  /** Until when other methods are compared. */
  readonly deadline: Deadline;
  /** Called with the main result, before the comparison begins. */
  readonly onMain: (outcome: DemoOutcome) => Promise<void>;
}

/** Most bytes of decoded faces that measurements share. */
const decodedBytes = 256 * 2 ** 20;

/**
 * Trains, measures and exports the main method; then trains and measures the others, whole or not
 * at all, while they fit before the deadline. The frozen model is measured once, and every face is
 * embedded by it for training once.
 */
export async function runDemo(request: DemoRequest, context: Surroundings): Promise<DemoOutcome> {
  const { out, deadline } = request;
  const backbone = await openBackbone(demoModel);
  const faces = await demoFaces(request.data, request.size);
  const bytes = 3 * backbone.size ** 2 * faces.test.length;
  await using loader = openLoader({
    size: backbone.size,
    threads: availableParallelism(),
    cacheBytes: Math.min(bytes, decodedBytes),
    faces: faces.test.length,
    drawn: isDrawn(faces.test),
  });
  const targets = createTargetCache(faces.train.length, backbone.width);
  const measured = { protocol: faces.protocol, loader, size: backbone.size, signal: context.signal };
  const resolution = await measureResolution(measured);
  const scene: Scene = { out, faces, loader, targets, context, resolution, gallery: createKeptGallery() };

  const first = await measure("frozen", backbone, scene);
  const began = performance.now();
  const trained = await train(mainMethod, scene);
  noteLeftOut(trained.leftOut, context);
  const measuring = performance.now();
  const model = adaptedModel(backbone, trained.adapter);
  // The frozen model is measured again only where the adapted one has no finite embedding of a
  // face.
  const both = await measureBoth(
    async (leave) => (leave === undefined ? first : await measure("frozen", backbone, scene, undefined, leave)),
    async (leave) => await measure(mainMethod.name, model, scene, undefined, leave),
    context,
  );
  const frozen = { name: "frozen", about: "the original model", result: both.frozen };
  const result = both.adapted;
  if (result === undefined) throw new Error("nothing was measured");
  const ended = performance.now();
  const path = join(out, demoFiles.model);
  await exportModel(path, backbone, trained.adapter, "quality");
  const outcome: DemoOutcome = {
    backbone,
    faces,
    results: [frozen, { name: mainMethod.name, about: mainMethod.about, result, run: trained.run }],
    exported: { path, difference: await checkExport(path, model, faces.test) },
    untrained: trained.leftOut,
    leftOut: [],
    methodSeconds: (ended - began) / 1000,
  };
  await request.onMain(outcome);

  const others: DemoResult[] = [];
  const measureSeconds = (ended - measuring) / 1000;
  for (const method of otherMethods) {
    // The methods see the same images, so what the first one took says whether the next is worth a
    // start.
    const done = deadline.fits(outcome.methodSeconds) && (await train(method, scene, { deadline, measureSeconds }));
    if (!done) break;
    const result = await measure(method.name, adaptedModel(backbone, done.adapter), scene, frozen.result);
    others.push({ name: method.name, about: method.about, result, run: done.run });
  }
  const leftOut = otherMethods.slice(others.length).map(({ name }) => name);
  return { ...outcome, results: [...outcome.results, ...others], leftOut };
}

/** What all methods share. */
interface Scene {
  readonly out: string;
  readonly faces: DemoFaces;
  readonly loader: Loader;
  readonly targets: TargetCache;
  readonly context: Surroundings;
  /** How sharp the measured faces are. */
  readonly resolution: readonly FaceResolution[];
  /** The frozen model's, which is measured first. */
  readonly gallery: KeptGallery;
}

interface Trained {
  readonly adapter: Adapter;
  readonly run: RunRecord;
  /** Training faces that were left out. */
  readonly leftOut: Unreadable;
}

/**
 * Trains a method to its end. With a limit: or returns undefined, its folder removed, once its rate
 * says that it would not fit.
 */
async function train(method: DemoMethod, scene: Scene): Promise<Trained>;
async function train(method: DemoMethod, scene: Scene, limit: Limit): Promise<Trained | undefined>;
async function train(method: DemoMethod, scene: Scene, limit?: Limit): Promise<Trained | undefined> {
  const { faces, context } = scene;
  const folder = join(scene.out, method.name);
  const tooLong = new AbortController();
  let progress: ReturnType<Surroundings["progress"]> | undefined;
  let watch: ReturnType<typeof watchTraining> | undefined;
  const { adapter, run, finished, leftOut } = await adapt(
    {
      model: demoModel,
      train: faces.train.spec,
      options: { ...method.options, calibration: "fit", epochs: faces.epochs },
      out: folder,
    },
    {
      data: faces.train,
      targetCache: scene.targets,
      signal: AbortSignal.any([context.signal, tooLong.signal]),
      onStart: ({ steps, options: { batch } }) => {
        progress = context.progress(`training ${method.name}`, steps * batch, "images");
        watch = limit && watchTraining(limit.deadline, steps, limit.measureSeconds);
      },
      onStep: ({ step, loss }, { options: { batch } }) => {
        progress?.update(step * batch, `loss ${loss.toFixed(2)}`);
        if (watch?.fits(step) === false) tooLong.abort();
      },
    },
  );
  progress?.close();
  context.signal.throwIfAborted();
  if (finished) return { adapter, run, leftOut };
  await rm(folder, { recursive: true, force: true });
  return undefined;
}

/** The deadline of a training, and the work after it. */
interface Limit {
  readonly deadline: Deadline;
  readonly measureSeconds: number;
}

async function measure(
  name: string,
  model: EmbeddingModel,
  { faces: { protocol }, loader, context, resolution, gallery }: Scene,
  frozen?: EvaluationResult,
  leave = frozen?.leftOut,
): Promise<EvaluationResult> {
  await using open = openResources();
  const embedder = open.keep(await openEmbedder(model));
  const progress = context.progress(`measuring ${name}`, protocol.items.length * (demoPixels.length + 1), "faces");
  try {
    const result = await evaluate({
      model: embedder,
      loader,
      protocol,
      degradations: demoPixels.map((side) => `lr:${side}`),
      // Of the resolutions that are measured: nothing more has to be embedded.
      copies: { sizes: demoPixels, weight: defaultCopyWeight },
      frozen,
      leave,
      gallery,
      signal: context.signal,
      onProgress: ({ done }) => progress.update(done),
    });
    return { ...result, resolution };
  } finally {
    progress.close();
  }
}
