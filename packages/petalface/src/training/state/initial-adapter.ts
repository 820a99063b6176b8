import {
  type Adapter,
  type AdapterConfig,
  adapterHash,
  adaptsSites,
  loadAdapter,
  rankAt,
} from "../../adapters/index.ts";
import type { Backbone } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { TrainingChoices } from "../options/options.ts";
import type { RunRecord } from "../run/record.ts";

/** The adapter that a run starts from. */
export interface Init {
  readonly folder: string;
  readonly adapter: Adapter;
  readonly sha256: string;
}

/**
 * Opens the adapter that a run starts from.
 *
 * @throws PetalfaceError where it is missing, damaged, or belongs to another model
 */
export async function openInit(folder: string, backbone: Backbone): Promise<Init> {
  const adapter = await loadAdapter(folder, backbone);
  return { folder, adapter, sha256: adapterHash(adapter) };
}

/**
 * The adapter that a run was started from, where no step of it is stored yet; undefined where it
 * began with a new one.
 *
 * @param place where a path of the record is now
 * @throws PetalfaceError where the adapter changed since
 */
export async function initOf(
  { init }: RunRecord,
  backbone: Backbone,
  place: (path: string) => Promise<string>,
): Promise<Adapter | undefined> {
  if (init === undefined) return undefined;
  const { adapter, sha256 } = await openInit(await place(init.given), backbone);
  if (sha256 !== init.sha256)
    throw new PetalfaceError(
      "PETAL_RUN_MISMATCH",
      `${init.given} is not the adapter that the run was started from; restore it, or start a new run`,
    );
  return adapter;
}

/**
 * The options that the shape of an adapter decides: method, gate, rank, scale, layers, and whether
 * batch normalisations train. Options that are given by themselves stay.
 */
export function choicesOfInit({ config }: Adapter, given: TrainingChoices): TrainingChoices {
  const { method, gate, rank, scale, sites, ungated = [], batchNorm = "frozen" } = config;
  const lora = { gate, rank, scale, sites: sites.join(","), ungated: ungated.join(",") };
  return { method, batchNorm, ...(adaptsSites(method) && lora), ...given };
}

/**
 * Throws PetalfaceError (wrong usage) where an adapter has another shape than the one to be
 * trained.
 */
export function requireShape({ folder, adapter }: Init, config: AdapterConfig): void {
  const shapeOf = (each: AdapterConfig): string => {
    const { method, gate, scale, batchNorm = "frozen", sites } = each;
    return JSON.stringify([method, gate, scale, batchNorm, sites.map((site) => [site, rankAt(each, site)])]);
  };
  if (shapeOf(adapter.config) !== shapeOf(config))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `the adapter of ${folder} has another shape than the one to be trained; leave out the options of method, gate, rank, scale, layers and batch normalisation, then they are taken from it`,
    );
}
