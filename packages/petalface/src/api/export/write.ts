import { basename, join } from "node:path";
import {
  type Adapter,
  adapterFiles,
  type ExportAlpha,
  exportedGraph,
  exportLevels,
  type LevelsFile,
  levelFiles,
  loadAdapter,
  mirrorMetadata,
  mirrorWeight,
  type PeftAdapter,
  type Precision,
  peftFiles,
  savePeft,
  saveReference,
  withMirror,
} from "../../adapters/index.ts";
import { alphaKey, type Backbone } from "../../backbones/index.ts";
import type { Contract, Thresholds } from "../../deploy/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { writeFileSafely } from "../../files.ts";
import { preprocessingMetadata } from "../../models/index.ts";
import { externalScores } from "../../quality/index.ts";
import { leftOutOf } from "../data.ts";
import { isAdapted, type Model, openFrozen } from "../model.ts";
import { claimOutputs } from "../outputs.ts";
import type { Surroundings } from "../surroundings.ts";
import { modelCard } from "./card.ts";
import { carrying, deploy, deployedFiles, fitted, type Product } from "./deploy.ts";
import { targetsOf } from "./form.ts";
import { inForm, isFolder, refuseLevels } from "./levels.ts";
import { changePrecision, openPrecisionFaces, type PrecisionFaces, type PrecisionFlags } from "./precision.ts";
import type { PrecisionLoss } from "./precision-loss.ts";
import { findThresholds } from "./thresholds.ts";
import { defaultExportFaces, type ExportedFile, type ExportOptions } from "./types.ts";

/** Forms of another project in which the adapter alone is written. */
export const adapterForms = ["peft", "reference"] as const;

/** Options of an export, also of the forms that are no model. */
export interface ExportRequest extends ExportOptions {
  /** Writes the adapter alone, in another project's form. An ONNX file unless given. */
  readonly as?: "onnx" | (typeof adapterForms)[number] | undefined;
}

/** Options with their defaults. */
type Settings = ExportRequest & PrecisionFlags & { readonly alpha: ExportAlpha };

interface Planned {
  readonly settings: Settings;
  readonly contracts: readonly Contract[];
}

/** The files of one model, by hand or for products. */
export interface ProductPlan extends Planned {
  readonly kind: "product";
}

/** A folder with one network for each level of alpha. */
export interface LevelsPlan extends Planned {
  readonly kind: "levels";
  readonly count: number;
}

/** The adapter alone. */
export interface AdapterPlan extends Planned {
  readonly kind: "adapter";
  readonly as: (typeof adapterForms)[number];
}

/** What an export is going to write. */
export type ExportPlan = ProductPlan | LevelsPlan | AdapterPlan;

/** Reads the options of an export. Throws PetalfaceError where they cannot go together. */
export function planExport(request: ExportRequest): ExportPlan {
  const { as = "onnx", alpha = "quality", precision = "fp32", data = defaultExportFaces, levels, out } = request;
  const contracts = targetsOf(request);
  const refuse = (why: string): never => {
    throw new PetalfaceError("PETAL_OPTION_INVALID", why);
  };
  if (!isAdapted(request) && (as !== "onnx" || levels !== undefined || alpha !== "quality"))
    refuse("without 'adapter' the frozen model is written: give 'adapter', or leave out 'as', 'levels' and 'alpha'");
  if (as !== "onnx" && request.for !== undefined) refuse(`'for' is for ONNX files; leave it out with 'as=${as}'`);
  if (as !== "onnx" && request.card !== undefined) refuse(`'card' is for ONNX files; leave it out with 'as=${as}'`);
  if (request.mirror) {
    if (as !== "onnx") refuse(`'mirror' is for ONNX files; leave it out with 'as=${as}'`);
    if (levels !== undefined) refuse("'levels' and 'mirror' cannot go together; leave out one of them");
    if (alpha === 1) refuse("'mirror' adds nothing at alpha 1; leave it out");
    if (request.thresholds !== undefined)
      refuse("'thresholds' were measured without 'mirror': measure those of the new file with `petalface threshold`");
    const unfit = contracts.find(({ merged }) => merged);
    if (unfit !== undefined) refuse(`'for=${unfit.name}': its converter takes one plain network; leave out 'mirror'`);
  }
  if (levels !== undefined) {
    if (alpha !== "quality") refuse("'levels' rounds the computed alpha; leave out 'alpha'");
    refuseLevels(contracts, out);
  }
  const planned = { settings: { ...request, alpha, precision, data }, contracts };
  if (as !== "onnx") return { kind: "adapter", as, ...planned };
  if (levels === undefined || !isFolder(out, contracts)) return { kind: "product", ...planned };
  if (request.card !== undefined) refuse("'card' is for one file: let 'out' end in .onnx, or leave it out");
  return { kind: "levels", count: levels, ...planned };
}

/** Takes the files that an export writes; never those that it reads. */
function claim(settings: Settings, files: readonly string[], surroundings: Surroundings): Promise<AsyncDisposable> {
  const { model, data, detector, thresholds } = settings;
  const run = typeof model === "string" ? settings.adapter : model.adapterFolder;
  const trained = run === undefined ? [] : [run, join(run, "adapter")].flatMap(adapterFiles);
  const read = [typeof model === "string" ? model : model.backbone.path, data, detector, thresholds, ...trained];
  return claimOutputs(files, surroundings, { inputs: read.filter((each) => typeof each === "string") });
}

/** A model that is exported. */
type Subject = Pick<Model, "backbone" | "adapter" | "adapterFolder">;

/**
 * The model of an export. It is not built as a graph that embeds: an adapter that takes its alpha
 * from elsewhere can be handed on too.
 */
async function subjectOf({ model, adapter: run, ...choices }: Settings): Promise<Subject> {
  if (typeof model !== "string") return model;
  const backbone = await openFrozen({ ...choices, model, adapter: run });
  if (run === undefined) return { backbone };
  return { backbone, adapter: await loadAdapter(run, backbone), adapterFolder: run };
}

/** Mirror images of a model that adds them already would count twice, at four times the time. */
function refuseMirrored({ path, graph }: Backbone): void {
  if (mirrorWeight(graph) === undefined) return;
  throw new PetalfaceError(
    "PETAL_OPTION_UNFIT",
    `${path}: embeds mirror images already; leave out 'mirror', or give the model that it was made from`,
  );
}

/** Thresholds to carry along; none where mirror images change similarities. */
async function thresholdsOf(
  { thresholds, mirror }: Settings,
  { backbone, adapter, adapterFolder: run }: Subject,
  to: Surroundings,
): Promise<Thresholds | undefined> {
  const found = await findThresholds({ file: thresholds, run }, backbone, adapter, to);
  if (found === undefined || !mirror) return found;
  to.note(
    "the run's thresholds are not carried along: mirror images change similarities; measure those of the new file with `petalface threshold`",
  );
  return undefined;
}

/** The adapter of a plan that {@link planExport} refuses without one. */
function adapterOf({ adapter }: Subject): Adapter {
  if (adapter === undefined) throw new Error("an export of the adapter alone has one");
  return adapter;
}

/** What was left out of the faces that a precision was measured on. */
const leftOutIn = (faces: PrecisionFaces | undefined) => faces && leftOutOf(faces.data, faces.left());

/** What {@link writeProduct} wrote. */
export interface WrittenProduct {
  readonly file: ExportedFile;
  /** What each network lost against float32. */
  readonly losses: readonly PrecisionLoss[];
  readonly leftOut: ReturnType<typeof leftOutIn>;
  /** What to do with the files, for people. */
  readonly lines: readonly string[];
}

/**
 * Writes the files of a model, and its card. Throws PetalfaceError where a target cannot use it, or
 * a precision loses too much.
 */
export async function writeProduct(
  { settings, contracts }: ProductPlan,
  surroundings: Surroundings,
): Promise<WrittenProduct> {
  const { card, alpha, precision } = settings;
  const files = [...deployedFiles(settings, contracts), ...(card === undefined ? [] : [card])];
  await using _outputs = await claim(settings, files, surroundings);
  const model = await subjectOf(settings);
  const { backbone, adapter, adapterFolder: run } = model;
  if (settings.mirror) refuseMirrored(backbone);
  const thresholds = await thresholdsOf(settings, model, surroundings);
  const { scoreInput, ...product } = await productOf(settings, backbone, adapter);
  const faces = await openPrecisionFaces(settings, backbone, surroundings);
  const task = { flags: settings, contracts, alpha: adapter === undefined ? null : alpha, adapter };
  const { product: changed, loss } = await inForm(task, { ...product, thresholds }, faces, surroundings);
  const { written, lines } = await deploy(changed, settings, contracts);
  const [first] = written;
  if (card !== undefined) {
    const names = written.flatMap((each) => each.files.map((file) => basename(file)));
    await writeFileSafely(
      card,
      await modelCard({ backbone, adapter, run, thresholds, files: names, mirror: mirrorWeight(product.graph) }),
    );
  }
  const file = {
    file: first?.files[0],
    input: first?.input.name,
    ...(scoreInput !== undefined && { quality: scoreInput }),
    output: first?.output.name,
    alpha: task.alpha,
    size: backbone.size,
    width: backbone.width,
    precision,
    loss: loss[0] ?? null,
    written,
  };
  return { file, losses: loss, leftOut: leftOutIn(faces), lines };
}

/** The graph to deploy of a model with its adapter; of the frozen model where there is none. */
async function productOf(
  { alpha, mirror = false }: Settings,
  backbone: Backbone,
  adapter: Adapter | undefined,
): Promise<Omit<Product, "thresholds"> & { readonly scoreInput?: string | undefined }> {
  if (adapter === undefined) {
    const metadata = new Map([
      ...Object.entries(preprocessingMetadata(backbone.spec)),
      ...mirrorMetadata(backbone.graph),
    ]);
    const graph = { ...backbone.graph, outputs: [backbone.output], metadata };
    if (!mirror) return { backbone, graph, judgement: undefined };
    // As with a merged adapter, every embedding changes.
    return { backbone, graph: withMirror(graph, 0), judgement: { gate: "single", merged: true } };
  }
  const plain = await exportedGraph(backbone, adapter, alpha);
  // An alpha that is judged is the second output, and one that is given the second input.
  const weighted = typeof alpha === "number" ? alpha : (plain.outputs[1] ?? plain.inputs[1] ?? 0);
  const graph = mirror ? withMirror(plain, weighted) : plain;
  const { gate, calibration } = adapter.config;
  const scoreInput = graph.inputs.length > 1 && alpha === "quality" ? externalScores(calibration)?.input : undefined;
  const judgement = { gate, merged: graph.metadata.get(alphaKey) === "merged" };
  return { backbone, graph, judgement, scoreInput };
}

/** What {@link writeLevels} wrote. */
export interface WrittenLevels {
  readonly folder: string;
  readonly written: LevelsFile;
  readonly precision: Precision;
  readonly losses: readonly PrecisionLoss[];
  readonly thresholds: Thresholds | undefined;
  readonly leftOut: ReturnType<typeof leftOutIn>;
}

/**
 * Writes alpha in levels: for a target each network in the form that it wants, for others as the
 * model's own. Throws PetalfaceError as {@link writeProduct}.
 */
export async function writeLevels(
  { settings, contracts: [contract], count }: LevelsPlan,
  surroundings: Surroundings,
): Promise<WrittenLevels> {
  const { out: folder, precision } = settings;
  await using _outputs = await claim(settings, levelFiles(folder, count), surroundings);
  const model = await subjectOf(settings);
  const { backbone } = model;
  const adapter = adapterOf(model);
  const thresholds = await thresholdsOf(settings, model, surroundings);
  const losses: PrecisionLoss[] = [];
  const faces = await openPrecisionFaces(settings, backbone, surroundings);
  const written = await exportLevels(folder, backbone, adapter, count, async (graph) => {
    const { changed, loss } = await changePrecision(settings, backbone, graph, faces, surroundings);
    if (loss) losses.push(loss);
    const carried = carrying(changed, thresholds);
    if (contract === undefined) return carried;
    return fitted({ backbone, graph: carried, judgement: { gate: adapter.config.gate, merged: true } }, contract);
  });
  return { folder, written, precision, losses, thresholds, leftOut: leftOutIn(faces) };
}

/** What {@link writeAdapter} wrote. */
export type WrittenAdapter =
  | { readonly as: "reference"; readonly file: string; readonly layers: number }
  | { readonly as: "peft"; readonly folder: string; readonly adapters: readonly PeftAdapter[] };

/** Writes the adapter alone. Throws PetalfaceError where the form has no place for a part of it. */
export async function writeAdapter({ settings, as }: AdapterPlan, surroundings: Surroundings): Promise<WrittenAdapter> {
  const { out } = settings;
  await using _file = await claim(settings, as === "reference" ? [out] : [], surroundings);
  const model = await subjectOf(settings);
  const adapter = adapterOf(model);
  if (as === "reference") {
    await saveReference(out, model.backbone, adapter);
    return { as, file: out, layers: adapter.config.sites.length };
  }
  await using _folders = await claim(settings, peftFiles(out, model.backbone, adapter), surroundings);
  return { as, folder: out, adapters: await savePeft(out, model.backbone, adapter) };
}
