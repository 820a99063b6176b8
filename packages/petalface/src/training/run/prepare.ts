import { availableParallelism } from "node:os";
import {
  type AdapterConfig,
  adaptsSites,
  backboneRecord,
  layoutOf,
  matchSites,
  proveSites,
  refuseQuantised,
  selectSites,
} from "../../adapters/index.ts";
import { type Backbone, familyOf, openBackbone } from "../../backbones/index.ts";
import { type FaceData, openData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { removeUnfinished } from "../../files.ts";
import { lockRun } from "../../lock.ts";
import type { ModelChoices } from "../../models/index.ts";
import { chosenMeasure, isGiven, openMeasure } from "../../quality/index.ts";
import { fromFirst, requireSame, together } from "../../ranks.ts";
import { withResources } from "../../resources.ts";
import { sourceCommit, versions } from "../../versions.ts";
import { usesMargin } from "../losses/names.ts";
import { adapterScale, type TrainingChoices, type TrainingOptions, trainingOptions } from "../options/options.ts";
import { firstState } from "../state/first-state.ts";
import { choicesOfInit, openInit, requireShape } from "../state/initial-adapter.ts";
import { openTeacher } from "../steps/engines.ts";
import { stepsOf } from "../steps/sampler.ts";
import { refuseForRanks, requireAlike } from "./agreement.ts";
import { fitCalibration, hashScores } from "./calibration.ts";
import { openCamera } from "./camera.ts";
import { openFaces, openValidator, partsOf, prefixBytesOf, ranksOf, sessionOptions } from "./parts.ts";
import { measureFiles, placesOf } from "./places.ts";
import type { RunPlan, RunRecord } from "./record.ts";
import { makeRunFolder, requireEmpty, writeRun } from "./run.ts";
import type { AdaptContext, Run } from "./types.ts";
import type { ValidationRequest } from "./validation.ts";

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
  /**
   * Unlabelled crops of the camera that the adapter is centred on at the end
   * ({@link centreAdapter}).
   */
  readonly camera?: string | undefined;
  /** How the number of epochs was planned, for the record. */
  readonly plan?: RunPlan | undefined;
}

/**
 * Opens a new run and its folder, up to the state before the first step. Of several ranks all must
 * call it; rank 0 makes the folder, and what it finds out about the faces holds for all. Throws
 * PetalfaceError for errors that the user can fix.
 */
export const prepare = (request: AdaptRequest, context: AdaptContext): Promise<Run> =>
  withResources(async (keep) => {
    const ranks = ranksOf(context);
    const opened = await together(ranks, () => openNew(request, context));
    const { backbone, family, init, options, data, measure, scores, camera } = opened;
    const session = await sessionOptions(context);
    const prefixBytes = prefixBytesOf(context);
    await requireAlike(ranks, {
      options,
      model: backbone.spec,
      data,
      scores,
      session,
      prefixBytes,
      init: init?.sha256,
      camera: camera?.fingerprint,
    });
    // What follows refuses a folder that is in use before anything long begins.
    const chosen = await fromFirst(ranks, async () => {
      const found = adaptsSites(options.method) ? await sitesOf(backbone, options, context) : { sites: [] };
      keep(await makeRunFolder(request.out));
      keep(await lockRun(request.out));
      await requireEmpty(request.out);
      await removeUnfinished(request.out, { all: true });
      return found;
    });
    const { sites, ungated } = chosen;
    const validator = keep(
      await together(ranks, () => openValidator(request.validation, backbone, session, context)),
    ).open;
    await requireSame(ranks, { "validation protocol": validator?.fingerprint ?? "" });
    // Its thread loads the model meanwhile. A validation comes first, and has the memory to itself.
    const targets =
      validator === undefined
        ? keep(openTeacher({ backbone, options, data, session, ranks }, context.targetCache))
        : undefined;
    const loader = keep(openFaces(backbone, data, session.threads, context));
    const record = await fromFirst(ranks, async () => {
      const { calibration, set } = await fitCalibration(backbone, data, loader, options, session, measure);
      const { method, gate, rank } = options;
      const config: AdapterConfig = {
        ...{ method, gate, rank, scale: adapterScale(options), sites, ...(ungated?.length && { ungated }) },
        ...(options.batchNorm === "train" && { batchNorm: "train" }),
        backbone: backboneRecord(backbone),
        calibration,
      };
      const layout = layoutOf(backbone, config);
      const commit = await sourceCommit();
      if (init) requireShape(init, config);
      const made: RunRecord = {
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
        ...(camera && { camera: { given: camera.spec, fingerprint: camera.fingerprint, crops: camera.length } }),
        steps: stepsOf(options, data.length),
        ...(request.plan && { plan: request.plan }),
        ...(request.validation &&
          validator && {
            validation: {
              ...request.validation,
              measure: validator.measure,
              fingerprint: validator.fingerprint,
            },
          }),
        places: await placesOf(request.out, [
          ...[request.model, data.spec, request.init, request.camera],
          ...[request.validation?.protocol, request.validation?.data],
          ...(await measureFiles(options.quality)),
        ]),
        trained: { parameters: layout.length, share: layout.length / backbone.parameters },
        machine: { threads: session.threads, provider: session.provider },
        versions: await versions(),
        ...(commit !== undefined && { commit }),
      };
      await writeRun(request.out, made);
      return made;
    });
    const parts = partsOf(record, measure.weights, { backbone, data, loader, session, validator, ranks });
    const state = await firstState(parts, context.signal, init?.adapter);
    return { ...parts, folder: request.out, record, state, history: [], targets };
  });

/** What a new run works with, opened and checked: by every rank for itself. */
async function openNew(request: AdaptRequest, context: AdaptContext) {
  const ranks = ranksOf(context);
  trainingOptions(request.options, undefined, ranks.count);
  const backbone = await openBackbone(request.model, request);
  refuseQuantised(backbone);
  const family = familyOf(backbone);
  const init = request.init === undefined ? undefined : await openInit(request.init, backbone);
  const choices = init ? choicesOfInit(init.adapter, request.options) : request.options;
  const chosen = trainingOptions(choices, family, ranks.count);
  const options = { ...chosen, quality: chosenMeasure(chosen.quality, backbone.size) };
  refuseForRanks(options, ranks, true);
  const data = context.data ?? (await openData(request.train, { mostLeftOut: context.mostLeftOut }));
  if (usesMargin(options.loss)) requirePeople(data, options);
  const measure = await openMeasure(options.quality);
  const scores = isGiven(measure.name) ? hashScores(data) : undefined;
  const camera = await openCamera(request.camera, options, context);
  return { backbone, family, init, options, data, measure, scores, camera };
}

/** The preprocessing of a model, where nothing says that it is the right one. */
function assumedBy({ source, spec: { mean, scale, channels } }: Backbone): Pick<RunRecord["model"], "assumed"> {
  return source === "assumed" ? { assumed: { mean, scale, channels } } : {};
}

/**
 * Names of the layers to adapt, whose rows were shown to belong to the images that the graph says,
 * and of those without a gate.
 */
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
