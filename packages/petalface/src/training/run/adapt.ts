import { availableParallelism } from "node:os";
import { join } from "node:path";
import {
  type Adapter,
  type AdapterConfig,
  backboneRecord,
  layoutOf,
  matchSites,
  proveSites,
  refuseQuantised,
  selectSites,
} from "../../adapters/index.ts";
import { type Backbone, familyOf, openBackbone } from "../../backbones/index.ts";
import { type FaceData, type FaceLoader, openData, skipUnreadable, type Unreadable } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { removeUnfinished, writeFileSafely } from "../../files.ts";
import { openLoader } from "../../images/index.ts";
import { lockRun } from "../../lock.ts";
import type { ModelChoices } from "../../models/index.ts";
import { isGiven, mapMeasureFiles, openMeasure, type QualityWeights } from "../../quality/index.ts";
import { withResources } from "../../resources.ts";
import type { Provider, SessionOptions } from "../../runtime/index.ts";
import { versions } from "../../versions.ts";
import { usesMargin } from "../losses/names.ts";
import { adapterScale, type TrainingChoices, type TrainingOptions, trainingOptions } from "../options/options.ts";
import { hasState, loadState } from "../state/checkpoint.ts";
import { firstState, stateShape } from "../state/first-state.ts";
import { choicesOfInit, initOf, openInit, requireShape } from "../state/initial-adapter.ts";
import { stepsOf } from "../steps/sampler.ts";
import { adapterOf, saveResult, trainSteps } from "../steps/trainer.ts";
import { fitCalibration, hashScores } from "./calibration.ts";
import { adapterCard, adapterCardFile } from "./card.ts";
import { trainLonger } from "./longer.ts";
import { rewindMetrics } from "./metrics.ts";
import { openPlaced } from "./open-placed.ts";
import { measureFiles, movedPlaces, placeNow, placesOf } from "./places.ts";
import type { RunRecord } from "./record.ts";
import { makeRunFolder, readRun, requireEmpty, writeRun } from "./run.ts";
import { rewindEvents } from "./tensorboard.ts";
import type { AdaptContext, ResumeChanges, Run, RunParts } from "./types.ts";
import type { ValidationRequest, Validator } from "./validation.ts";

/** Memory for decoded training faces; what does not fit is decoded again every epoch. */
const decodedCacheBytes = 512 * 2 ** 20;
const defaultPrefixBytes = 4 * 2 ** 30;

/** A new run: model, training set, choices and the folder it goes to. */
export interface AdaptRequest extends ModelChoices {
  readonly model: string;
  readonly train: string;
  /** Measures the adapter now and then, stops early if asked to (`patience`) and keeps the best. */
  readonly validation?: ValidationRequest | undefined;
  readonly options: TrainingChoices;
  readonly out: string;
  /** An adapter of the same model that training starts from; its shape is that of the new one. */
  readonly init?: string | undefined;
}

/** The end of a training call: done, or interrupted with a checkpoint. */
export interface AdaptResult {
  readonly finished: boolean;
  readonly run: RunRecord;
  /** The trained adapter; with a validation protocol the best one. */
  readonly adapter: Adapter;
  /** Training faces that were left out: they cannot be read, or the model has no finite embedding of them. Others of their person or batch stand for them. */
  readonly leftOut: Unreadable;
  /** Faces that the validation left out; undefined where there are none, or no validation. */
  readonly validationLeftOut: Unreadable | undefined;
  /** Share of this call's time between its first and last step that the engine waited for images; undefined for fewer than two steps. */
  readonly waiting: number | undefined;
}

/**
 * Trains an adapter into a new run folder, which is locked meanwhile. Whatever stops it (a signal, a kill, a full disk, a diverging loss), the
 * folder keeps the last good checkpoint, and {@link resume} continues from there.
 * Throws PetalfaceError for errors that the user can fix.
 */
export async function adapt(request: AdaptRequest, context: AdaptContext = {}): Promise<AdaptResult> {
  await using run = await prepare(request, context);
  return await continueRun(run, context);
}

/** Opens a new run and its folder, up to the state before the first step. Throws PetalfaceError for errors that the user can fix. */
const prepare = (request: AdaptRequest, context: AdaptContext): Promise<Run> =>
  withResources(async (keep) => {
    trainingOptions(request.options);
    const backbone = await openBackbone(request.model, request);
    refuseQuantised(backbone);
    const family = familyOf(backbone);
    const init = request.init === undefined ? undefined : await openInit(request.init, backbone);
    const options = trainingOptions(init ? choicesOfInit(init.adapter, request.options) : request.options, family);
    const data = context.data ?? (await openData(request.train, { mostLeftOut: context.mostLeftOut }));
    if (usesMargin(options.loss)) requirePeople(data, options);
    const measure = await openMeasure(options.quality);
    const scores = isGiven(measure.name) ? hashScores(data) : undefined;
    const { sites, ungated } = options.method === "lora" ? await sitesOf(backbone, options, context) : { sites: [] };
    await makeRunFolder(request.out);
    keep(await lockRun(request.out));
    await requireEmpty(request.out);
    await removeUnfinished(request.out, { all: true });
    const session = sessionOptions(context);
    const validator = keep(await openValidator(request.validation, backbone, session, context)).open;
    const loader = keep(openFaces(backbone, data, session.threads, context));
    const { calibration, set } = await fitCalibration(backbone, data, loader, options, session, measure);
    const { method, gate, rank } = options;
    const config: AdapterConfig = {
      ...{ method, gate, rank, scale: adapterScale(options), sites, ...(ungated?.length && { ungated }) },
      ...(options.batchNorm === "train" && { batchNorm: "train" }),
      backbone: backboneRecord(backbone),
      calibration,
    };
    const layout = layoutOf(backbone, config);
    if (init) requireShape(init, config);
    const record: RunRecord = {
      format: 1,
      options,
      model: {
        given: request.model,
        normalize: request.normalize,
        name: backbone.spec.name,
        sha256: backbone.spec.sha256,
        ...assumedBy(backbone),
        ...(family && { family }),
      },
      data: {
        ...{ spec: data.spec, fingerprint: data.fingerprint, images: data.length, people: data.people.length },
        ...(scores !== undefined && { scores }),
        ...(set && { set }),
      },
      adapter: config,
      ...(init && { init: { given: init.folder, sha256: init.sha256 } }),
      steps: stepsOf(options, data.length),
      ...(request.validation &&
        validator && {
          validation: {
            ...request.validation,
            measure: validator.measure,
            fingerprint: validator.fingerprint,
          },
        }),
      places: await placesOf(request.out, [
        ...[request.model, data.spec, request.init, request.validation?.protocol, request.validation?.data],
        ...(await measureFiles(options.quality)),
      ]),
      trained: { parameters: layout.length, share: layout.length / backbone.parameters },
      machine: { threads: session.threads, provider: session.provider },
      versions: await versions(),
    };
    await writeRun(request.out, record);
    const parts = partsOf(record, measure.weights, { backbone, data, loader, session, validator });
    return {
      ...parts,
      folder: request.out,
      record,
      state: await firstState(parts, context.signal, init?.adapter),
      history: [],
    };
  });

/** What a run's steps need of what is open and of its record. */
function partsOf(
  { options, adapter, steps }: RunRecord,
  weights: QualityWeights | undefined,
  open: Pick<RunParts, "backbone" | "data" | "loader" | "session" | "validator">,
): RunParts {
  const config = { ...adapter, ...(weights && { weights }) };
  return { ...open, options, config, layout: layoutOf(open.backbone, config), steps };
}

/** The preprocessing of a model, where nothing says that it is the right one. */
function assumedBy({ source, spec: { mean, scale, channels } }: Backbone): Pick<RunRecord["model"], "assumed"> {
  return source === "assumed" ? { assumed: { mean, scale, channels } } : {};
}

/** Names of the layers to adapt, whose rows were shown to belong to the images that the graph says, and of those without a gate. */
async function sitesOf(
  backbone: Backbone,
  options: TrainingOptions,
  context: AdaptContext,
): Promise<Pick<AdapterConfig, "sites" | "ungated">> {
  const { sites, unfit } = await proveSites(backbone, { threads: context.threads ?? availableParallelism() });
  const chosen = selectSites(sites, options.sites, unfit);
  const names = (list: typeof chosen): string[] => list.map((site) => site.name);
  if (options.gate === "single") return { sites: names(chosen) };
  return {
    sites: names(chosen),
    ungated: names(matchSites(sites, options.ungated).filter((site) => chosen.includes(site))),
  };
}

/**
 * Continues a run from its last checkpoint; on the same machine with the same threads the result has the same bits as an uninterrupted
 * run. Throws PetalfaceError if the model, the data or the validation protocol are not those that the run was started with, or if another process
 * is at work on it.
 */
export async function resume(
  folder: string,
  context: AdaptContext = {},
  changes: ResumeChanges = {},
): Promise<AdaptResult> {
  await using run = await reopen(folder, context, changes);
  return await continueRun(run, context);
}

/** Opens a run of an earlier process at its last checkpoint. */
const reopen = (folder: string, context: AdaptContext, changes: ResumeChanges): Promise<Run> =>
  withResources(async (keep) => {
    await readRun(folder);
    keep(await lockRun(folder));
    for (const part of ["", "checkpoint", "adapter"]) await removeUnfinished(join(folder, part), { all: true });
    let run = await readRun(folder);
    const { backbone, data } = await openPlaced(folder, run, context, changes);
    const places = await movedPlaces(folder, run, changes);
    if (places !== run.places) {
      run = { ...run, places };
      await writeRun(folder, run);
    }
    const place = (text: string): Promise<string> => placeNow(folder, run.places, text);
    const { name: judge, weights } = await openMeasure(await mapMeasureFiles(run.options.quality, place));
    if (isGiven(judge) && hashScores(data) !== run.data.scores)
      throw new PetalfaceError(
        "PETAL_RUN_MISMATCH",
        `the column quality of ${run.data.spec} is not that which ${folder} was started with`,
      );
    if (weights?.sha256 !== run.adapter.calibration.weights)
      throw new PetalfaceError(
        "PETAL_RUN_MISMATCH",
        `${run.options.quality} are not the weights of the quality measure that ${folder} was started with`,
      );
    const session = sessionOptions({ ...context, threads: context.threads ?? run.machine.threads });
    const asked = run.validation && {
      ...run.validation,
      protocol: changes.val ?? (await place(run.validation.protocol)),
      ...(run.validation.data !== undefined && { data: changes.valData ?? (await place(run.validation.data)) }),
    };
    const validator = keep(await openValidator(asked, backbone, session, context)).open;
    if (run.validation !== undefined && validator?.fingerprint !== run.validation.fingerprint)
      throw new PetalfaceError(
        "PETAL_RUN_MISMATCH",
        `${run.validation.protocol} is not the validation protocol that ${folder} was started with (its pairs or faces changed)`,
      );
    const loader = keep(openFaces(backbone, data, session.threads, context));
    const open = { backbone, data, loader, session, validator };
    const parts = partsOf(run, weights, open);
    const state = (await hasState(folder))
      ? await loadState(folder, stateShape(parts))
      : await firstState(parts, context.signal, await initOf(run, backbone, place));
    const history = await rewindMetrics(folder, state.step, state.validation?.last ?? -1);
    await rewindEvents(folder, state.step);
    const { learningRate = run.options.learningRate } = changes;
    if (learningRate !== run.options.learningRate && state.step < run.steps) {
      const made = [...(run.changes ?? []), { step: state.step, learningRate }];
      run = { ...run, options: trainingOptions({ ...run.options, learningRate }), changes: made };
      await writeRun(folder, run);
    }
    if (changes.epochs !== undefined) run = await trainLonger(folder, run, state, changes.epochs, data.length);
    return { ...partsOf(run, weights, open), folder, record: run, state, history };
  });

/** Takes the remaining steps of a run, and saves its adapter if these were all. */
async function continueRun(run: Run, context: AdaptContext): Promise<AdaptResult> {
  const { folder, record, state, config, backbone } = run;
  context.onStart?.(record, state.step);
  const { finished, waiting } = await trainSteps(run, {
    prefixBytes: context.prefixBytes ?? defaultPrefixBytes,
    targetCache: context.targetCache,
    signal: context.signal,
    onStep: (step) => context.onStep?.(step, record),
    onValidation: (validation) => context.onValidation?.(validation, record),
  });
  const left = { leftOut: run.loader.unreadable, validationLeftOut: run.validator?.leftOut?.() };
  const best = state.validation?.best;
  const adapter = adapterOf(config, (finished && best && state.validation) || state);
  if (!finished) return { finished, run: record, adapter, waiting, ...left };
  await saveResult(folder, backbone, adapter);
  const ended = best === undefined ? record : { ...record, result: { steps: state.step, best } };
  await writeFileSafely(join(folder, "adapter", adapterCardFile), adapterCard(ended, adapter));
  if (best === undefined) return { finished, run: record, adapter, waiting, ...left };
  await writeRun(folder, ended);
  return { finished, run: ended, adapter, waiting, ...left };
}

/** Loads training faces; others stand for those that cannot be read. */
const openFaces = (backbone: Backbone, data: FaceData, threads: number, { onLeftOut }: AdaptContext): FaceLoader =>
  skipUnreadable(openLoader({ size: backbone.size, threads, cacheBytes: decodedCacheBytes }), data, onLeftOut);

/** The validator of a run that asks for one; to be disposed of. */
async function openValidator(
  request: ValidationRequest | undefined,
  backbone: Backbone,
  session: SessionOptions,
  context: AdaptContext,
): Promise<AsyncDisposable & { readonly open: Validator | undefined }> {
  if (request !== undefined && context.openValidator === undefined)
    throw new PetalfaceError(
      "PETAL_ARGUMENT_INVALID",
      `this run is validated on ${request.protocol}; give openValidator in the context`,
    );
  const open = request && (await context.openValidator?.(request, backbone, session));
  return {
    open,
    async [Symbol.asyncDispose]() {
      await open?.close();
    },
  };
}

function requirePeople(data: FaceData, options: TrainingOptions): void {
  const { loss } = options;
  if (data.people.length < 2)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `'loss=${loss}' needs at least two people, one folder each, and ${data.spec} has ${data.people.length}; use 'loss=distil', which needs no identities`,
    );
  for (let index = 0; index < data.length; index++) {
    const { person, id } = data.at(index);
    if (person < 0)
      throw new PetalfaceError(
        "PETAL_DATA_UNFIT",
        `'loss=${loss}' needs to know who is on every face, and ${data.spec} does not say it of ${id}; name its person, leave it out, or use 'loss=distil'`,
      );
  }
}

const sessionOptions = (
  context: AdaptContext,
): SessionOptions & { readonly threads: number; readonly provider: Provider } => ({
  threads: context.threads ?? availableParallelism(),
  provider: context.provider ?? "cpu",
});
