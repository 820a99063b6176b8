import { mkdir, readdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type Adapter, adaptedModel, exportModel } from "../../adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type EvaluationResult, evaluatePairs } from "../../evaluation/index.ts";
import { openLoader } from "../../images/index.ts";
import { adapt, type RunRecord } from "../../training/index.ts";
import type { CliContext } from "../context.ts";
import { checkExport } from "./check.ts";
import { type DemoFaces, type DemoSize, demoFaces, demoMethods, demoModel, demoPixels } from "./plan.ts";

/** What the demo ends with. */
export interface DemoOutcome {
  readonly backbone: Backbone;
  readonly faces: DemoFaces;
  /** The frozen model first, then each method. */
  readonly results: readonly {
    readonly name: string;
    readonly about: string;
    readonly result: EvaluationResult;
    readonly run?: RunRecord;
  }[];
  /** The exported model, and the largest difference of its embeddings from the adapted model's. */
  readonly exported: { readonly path: string; readonly difference: number };
}

/** Files and folders that a demo leaves in its folder. */
const madeByDemo = new Set([...demoMethods.map((method) => method.name), "report.html", "face.onnx"]);

/** Trains and measures every method, and exports the petal one. `out` may hold an earlier demo, which is replaced. */
export async function runDemo(
  out: string,
  data: string | undefined,
  size: DemoSize,
  context: CliContext,
): Promise<DemoOutcome> {
  await prepareFolder(out);
  const backbone = await openBackbone(demoModel);
  const faces = await demoFaces(data, size);
  const results: DemoOutcome["results"][number][] = [
    { name: "frozen", about: "as it comes", result: await measure("frozen", backbone, faces, context) },
  ];
  const frozen = results[0]?.result;
  let petal: Adapter | undefined;
  for (const { name, about, options } of demoMethods) {
    const { adapter, run } = await train(name, join(out, name), options, faces, context);
    const result = await measure(name, adaptedModel(backbone, adapter), faces, context, frozen);
    results.push({ name, about, result, run });
    if (name === "petal") petal = adapter;
  }
  if (petal === undefined) throw new Error("the demo has no petal method");
  const path = join(out, "face.onnx");
  await exportModel(path, backbone, petal, "quality");
  const difference = await checkExport(path, adaptedModel(backbone, petal), faces.test);
  return { backbone, faces, results, exported: { path, difference } };
}

async function prepareFolder(out: string): Promise<void> {
  await mkdir(out, { recursive: true });
  const foreign = (await readdir(out)).find((name) => !madeByDemo.has(name));
  if (foreign !== undefined)
    throw new PetalfaceError(
      `${out} holds "${foreign}", which is not from a demo; give an empty or new folder with --out`,
    );
  for (const name of madeByDemo) await rm(join(out, name), { recursive: true, force: true });
}

async function train(
  name: string,
  folder: string,
  options: (typeof demoMethods)[number]["options"],
  faces: DemoFaces,
  context: CliContext,
): Promise<{ adapter: Adapter; run: RunRecord }> {
  let progress: ReturnType<CliContext["progress"]> | undefined;
  const { adapter, run, finished } = await adapt(
    {
      model: demoModel,
      train: faces.train.spec,
      options: { ...options, calibration: "fit", epochs: faces.epochs },
      out: folder,
    },
    {
      data: faces.train,
      signal: context.signal,
      onStart: ({ steps, options: { batch } }) => {
        progress = context.progress(`training ${name}`, steps * batch, "images");
      },
      onStep: ({ step, loss }, { options: { batch } }) => progress?.update(step * batch, `loss ${loss.toFixed(2)}`),
    },
  );
  progress?.close();
  if (!finished) throw context.signal.reason;
  return { adapter, run };
}

async function measure(
  name: string,
  model: EmbeddingModel,
  { test, protocol }: DemoFaces,
  context: CliContext,
  frozen?: EvaluationResult,
): Promise<EvaluationResult> {
  const embedder = await openEmbedder(model);
  const loader = openLoader({ size: model.size, threads: availableParallelism() });
  const progress = context.progress(`measuring ${name}`, protocol.images.length * (demoPixels.length + 1), "faces");
  try {
    return await evaluatePairs({
      embedder,
      loader,
      data: test,
      protocol,
      degradations: demoPixels.map((side) => `lr:${side}`),
      frozen,
      signal: context.signal,
      onProgress: ({ done }) => progress.update(done),
    });
  } finally {
    progress.close();
    await Promise.all([loader.close(), embedder.close()]);
  }
}
