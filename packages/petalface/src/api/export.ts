import { basename } from "node:path";
import { type Adapter, type ExportAlpha, exportedGraph, type Precision } from "../adapters/index.ts";
import { alphaKey, type Backbone } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import { writeFileSafely } from "../files.ts";
import { preprocessingMetadata } from "../models/index.ts";
import { externalScores } from "../quality/index.ts";
import { openResources } from "../resources.ts";
import { modelCard } from "./card.ts";
import { deploy, deployedFiles, type Product, type Written } from "./deploy.ts";
import { type FormFlags, targetsOf } from "./export-form.ts";
import { inForm, isFolder, refuseLevels } from "./levels.ts";
import { type GivenModel, modelOf } from "./model.ts";
import { claimOutputs } from "./outputs.ts";
import { openPrecisionFaces, type PrecisionFlags } from "./precision.ts";
import type { PrecisionLoss } from "./precision-loss.ts";
import { type CallOptions, surroundingsOf } from "./surroundings.ts";
import { findThresholds } from "./thresholds.ts";

/** Faces that a precision is measured on unless others are given. */
export const defaultExportFaces = "synthetic:people=60,images=4,seed=7";

/** What to deploy, in which form, and where to write it. */
export interface ExportOptions
  extends Omit<GivenModel, "provider" | "fast" | "output" | "threads">,
    Partial<PrecisionFlags>,
    FormFlags,
    CallOptions {
  /** The `.onnx` file to write; a folder for a target. */
  readonly out: string;
  /** Name of the model's output that is the embedding, where there are several. */
  readonly output?: string | undefined;
  /**
   * Markdown file for a model card: what it is, how it was trained and measured. None unless given.
   */
  readonly card?: string | undefined;
  /** A file of thresholds to carry along; those of the adapter's run unless given. */
  readonly thresholds?: string | undefined;
  /**
   * Where alpha comes from: judged inside the model (`quality`, the default), a second input
   * (`input`), or a number from 0 to 1.
   */
  readonly alpha?: ExportAlpha | undefined;
}

/** What was written. */
export interface ExportedFile {
  /** The model's file, of the first target where there are several. */
  readonly file: string | undefined;
  /** Name of the image input. */
  readonly input: string | undefined;
  /** A second input that takes the quality of each face, where the model does not judge it. */
  readonly quality?: string;
  /** Name of the embedding output. */
  readonly output: string | undefined;
  /** null for a frozen model. */
  readonly alpha: ExportAlpha | null;
  readonly size: number;
  readonly width: number;
  readonly precision: Precision;
  /** What the precision costs against float32; null where nothing was changed. */
  readonly loss: PrecisionLoss | null;
  /** Of each target its files and their form. */
  readonly written: readonly Written[];
}

/**
 * Writes model and adapter as one ONNX file to deploy, image to alpha to embedding, or the files
 * that a product loads (`for`): `petalface export`.
 *
 * @throws PetalfaceError if the precision changes the embeddings too much, or the file cannot be
 * written
 */
export async function exportModel(options: ExportOptions): Promise<ExportedFile> {
  const { out, alpha = "quality", precision = "fp32", data = defaultExportFaces, adapter: run } = options;
  const surroundings = surroundingsOf(options);
  const contracts = targetsOf(options);
  if (typeof options.levels === "number") {
    if (options.alpha !== undefined && options.alpha !== "quality")
      throw new PetalfaceError("PETAL_OPTION_INVALID", "'levels' rounds the computed alpha: leave out 'alpha'");
    refuseLevels(contracts, out);
    if (isFolder(out, contracts))
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        "'levels' go into one file here: let 'out' end in .onnx, or give 'for'",
      );
  }
  const inputs = [options.model, data, options.detector].filter((each) => typeof each === "string");
  const claimed = [...deployedFiles(options, contracts), ...(options.card === undefined ? [] : [options.card])];
  await using _outputs = await claimOutputs(claimed, surroundings, { inputs });
  await using open = openResources();
  const { backbone, adapter } = await modelOf(options, open.keep);
  if (adapter === undefined && options.alpha !== undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "a frozen model has no alpha: leave out 'alpha', or give 'adapter'",
    );
  const product = await productOf(backbone, adapter, alpha);
  const thresholds = await findThresholds({ file: options.thresholds, run }, backbone, adapter, surroundings);
  const flags = { ...options, out, precision, data };
  const faces = await openPrecisionFaces(flags, backbone, surroundings);
  const task = { flags, contracts, alpha: adapter === undefined ? null : alpha, adapter };
  const { product: changed, loss } = await inForm(task, { ...product, thresholds }, faces, surroundings);
  const { written } = await deploy(changed, flags, contracts);
  const [first] = written;
  if (options.card !== undefined) {
    const files = written.flatMap((each) => each.files.map((file) => basename(file)));
    const subject = { backbone, adapter, run: typeof run === "string" ? run : undefined, thresholds, files };
    await writeFileSafely(options.card, await modelCard(subject));
  }
  return {
    file: first?.files[0],
    input: first?.input.name,
    ...(product.scoreInput !== undefined && { quality: product.scoreInput }),
    output: first?.output.name,
    alpha: adapter === undefined ? null : alpha,
    ...{ size: backbone.size, width: backbone.width, precision, loss: loss[0] ?? null, written },
  };
}

/** The graph to deploy of a model with its adapter; of the frozen model where there is none. */
async function productOf(
  backbone: Backbone,
  adapter: Adapter | undefined,
  alpha: ExportAlpha,
): Promise<Omit<Product, "thresholds"> & { readonly scoreInput?: string | undefined }> {
  if (adapter === undefined) {
    const metadata = new Map(Object.entries(preprocessingMetadata(backbone.spec)));
    return { backbone, graph: { ...backbone.graph, outputs: [backbone.output], metadata }, judgement: undefined };
  }
  const graph = await exportedGraph(backbone, adapter, alpha);
  const { gate, calibration } = adapter.config;
  const scoreInput = graph.inputs.length > 1 && alpha === "quality" ? externalScores(calibration)?.input : undefined;
  return {
    backbone,
    graph,
    judgement: { gate, merged: graph.metadata.get(alphaKey) === "merged" },
    scoreInput,
  };
}
