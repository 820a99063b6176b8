import { stat } from "node:fs/promises";
import { join } from "node:path";
import { PetalfaceError } from "../../errors.ts";
import {
  createKeptGallery,
  type Fusion,
  findProtocol,
  type Protocol,
  protocolOfPairs,
} from "../../evaluation/index.ts";
import { parseDegradation, printDegradation } from "../../images/index.ts";
import { openResources } from "../../resources.ts";
import type { CacheOptions } from "../cache.ts";
import { type EnrolledCopies, galleryCopiesFor } from "../copies.ts";
import { type Faces, type LeftOutOptions, noteLeftOut, openFaces } from "../data.ts";
import { type GivenModel, isAdapted, modelOf } from "../model.ts";
import { claimOutputs } from "../outputs.ts";
import { type CallOptions, type Surroundings, surroundingsOf } from "../surroundings.ts";
import { type BothResults, type MeasureTask, measureModels } from "./measure-models.ts";
import { openPairs } from "./protocol.ts";
import { resultFile, saveResults } from "./results.ts";
import { reportEvaluation } from "./write-report.ts";

/**
 * What is measured unless `degradations` says otherwise: the resolution that the method's tables
 * begin with.
 */
export const defaultDegradations: readonly string[] = ["lr:16"];

/** What to measure, and on what. */
export interface EvaluateOptions extends GivenModel, CallOptions, CacheOptions, LeftOutOptions {
  /**
   * A protocol's name (`petalface evaluate --help` lists them), LFW's pairs list, a CSV, or
   * `drawn[:pairs=N,folds=K,seed=S]`.
   */
  readonly protocol: string;
  /** The faces that the protocol names. */
  readonly data: Faces;
  /** A named protocol's lists, where they are not with the faces. */
  readonly lists?: string | undefined;
  /**
   * Degradations to measure under, such as `lr:8`; `["lr:16"]` unless given, and none where the
   * protocol's faces are of low quality already.
   */
  readonly degradations?: readonly string[] | undefined;
  /**
   * Measures also with each enrolled face together with low-resolution copies of it. Their weight
   * follows the adapter's alpha unless given, and is 0.25 without an adapter.
   */
  readonly galleryCopies?: EnrolledCopies | undefined;
  /**
   * Measures also with the gallery that the frozen model enrolled, as where people are not enrolled
   * again; needs an adapter.
   */
  readonly galleryKept?: boolean | undefined;
  /**
   * Adds the mirror image's embedding, as it is or at unit length; the protocol's own way unless
   * given.
   */
  readonly flip?: Fusion | undefined;
  /** Folds of a pairs file to use; all unless given. */
  readonly folds?: readonly number[] | undefined;
  /** Resamples of the bootstrap over people; 1000 unless given. */
  readonly resamples?: number | undefined;
  /** Seed of the bootstrap; 1 unless given. */
  readonly seed?: number | undefined;
  /** Folder that the results are saved in; they are not saved unless given. `compare` reads it. */
  readonly out?: string | undefined;
}

/** An evaluation, and a page on it. */
export interface EvaluationRequest extends EvaluateOptions {
  /** HTML file of a report; none unless given. */
  readonly report?: string | undefined;
  /** People whose embeddings the report shows as a map; no map unless given. */
  readonly views?: number | undefined;
}

/** What {@link runEvaluation} measured, and on what. */
export interface Evaluation extends BothResults {
  readonly protocol: Protocol;
}

/**
 * Measures a model on a protocol, and what its adapter changes: `petalface evaluate`. The frozen
 * model is measured too.
 *
 * @throws PetalfaceError if the model, the protocol or the faces cannot be used
 */
export async function evaluate(options: EvaluateOptions): Promise<BothResults> {
  const { frozen, adapted } = await runEvaluation(options, surroundingsOf(options));
  return { frozen, adapted };
}

/** Measures as {@link evaluate}, saves the results, and writes the report that is asked for. */
export async function runEvaluation(request: EvaluationRequest, surroundings: Surroundings): Promise<Evaluation> {
  const { out, report, degradations, flip, resamples = 1000, seed = 1, cache, data, lists } = request;
  if (request.galleryKept === true && !isAdapted(request))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'galleryKept' compares an adapter's probes with the frozen model's gallery; give 'adapter', or leave it out",
    );
  await using open = openResources();
  const names = isAdapted(request) ? (["frozen", "adapted"] as const) : (["frozen"] as const);
  const files = out === undefined ? [] : names.map((name) => join(out, resultFile(name)));
  const inputs = [data, request.protocol, lists, request.model].filter((each) => typeof each === "string");
  await using _outputs = await claimOutputs([...files, report], surroundings, { inputs });
  const specs = degradations?.filter((spec) => spec !== "none").map(parseDegradation);
  const model = await modelOf(request, open.keep);
  const copies = galleryCopiesFor(request.galleryCopies, model);
  const protocol = await openAnyProtocol(request, surroundings);
  const usual = protocol.degradable === "all" ? defaultDegradations : [];
  const task: MeasureTask = {
    protocol,
    degradations: specs?.map(printDegradation) ?? usual,
    fusion: flip ?? protocol.fusion,
    copies,
    gallery: request.galleryKept === true ? createKeptGallery() : undefined,
    bootstrap: { resamples, seed },
    engine: model.engine,
    cache,
  };
  const results = await measureModels(model, task, surroundings);
  if (out !== undefined) await saveResults(out, results, request.protocol);
  if (report !== undefined)
    await reportEvaluation(report, results, { model, task, views: request.views }, surroundings);
  return { ...results, protocol };
}

/** The protocol of a call: one that a data set comes with, or a list of pairs. */
async function openAnyProtocol(options: EvaluateOptions, surroundings: Surroundings): Promise<Protocol> {
  const { data: faces, lists, mostLeftOut } = options;
  const named = findProtocol(options.protocol);
  if (named?.open !== undefined) {
    if (typeof faces !== "string")
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `the protocol ${named.name} takes its data set as a path in 'data'`,
      );
    const protocol = await named.open({ data: faces, lists, mostLeftOut, signal: surroundings.signal });
    noteLeftOut(protocol.data.unreadable, surroundings);
    return protocol;
  }
  const list = named === undefined || typeof faces !== "string" ? undefined : join(faces, `${named.name}.bin`);
  const isThere = list !== undefined && (await stat(list).catch(() => undefined))?.isFile() === true;
  const data = await openFaces(isThere ? list : faces, { mostLeftOut }, surroundings);
  return protocolOfPairs(
    await openPairs(options.protocol, options, data),
    data,
    named === undefined ? "none" : "units",
  );
}
