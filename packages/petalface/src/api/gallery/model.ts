import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type EmbeddingRecord,
  embeddingRecord,
  type GalleryStore,
  type ModelSource,
  refuseOtherSpace,
} from "../../gallery/index.ts";
import { printPath } from "../../images/index.ts";
import type { ModelChoices } from "../../models/index.ts";
import type { Calibration } from "../../quality/index.ts";
import { choicesOf, type Engine, engineOf, type ModelOptions, type OpenedModel, openModel } from "../model.ts";

/** Where a gallery's model is now; as when the gallery was made unless given. */
export interface GalleryModelOptions extends Omit<ModelOptions, "model"> {
  readonly model?: string | undefined;
}

/** What a gallery notes of where a model is. */
export async function sourceOf(
  options: ModelChoices & { readonly model: string; readonly adapter?: string | undefined },
): Promise<ModelSource> {
  const isFile = await stat(options.model).then(
    (entry) => entry.isFile(),
    () => false,
  );
  const choices = Object.fromEntries(Object.entries(choicesOf(options)).filter(([, value]) => value !== undefined));
  return {
    model: isFile ? resolve(options.model) : options.model,
    adapter: options.adapter === undefined ? null : resolve(options.adapter),
    choices,
  };
}

/** A gallery's model, opened. */
export interface GalleryModel {
  readonly opened: OpenedModel;
  readonly engine: Engine;
  readonly calibration: Calibration | null;
  /** What the model makes is described by this; its space is the gallery's. */
  readonly record: EmbeddingRecord;
  /** Whether faces of alpha below 1 were enrolled with another adapter, or with none. */
  readonly otherAdapter: boolean;
}

/**
 * Opens the model that a gallery was made with, from where the options say, or where it was.
 *
 * @throws PetalfaceError where it makes embeddings of another space
 */
export async function openGalleryModel(
  store: Pick<GalleryStore, "path" | "record">,
  options: GalleryModelOptions,
): Promise<GalleryModel> {
  const record = await store.record();
  const { source } = record;
  const given = Object.fromEntries(Object.entries(choicesOf(options)).filter(([, value]) => value !== undefined));
  const named = {
    ...source.choices,
    ...given,
    model: options.model ?? source.model,
    adapter: options.adapter ?? source.adapter ?? undefined,
  };
  const opened = await openModel(named);
  const own = embeddingRecord(opened.backbone, opened.adapter, record.calibration ?? undefined, await sourceOf(named));
  refuseOtherSpace(printPath(store.path), record.space, own.space);
  const otherAdapter = own.adapter !== record.adapter;
  const calibration = otherAdapter ? (opened.adapter?.config.calibration ?? record.calibration) : record.calibration;
  return { opened, engine: engineOf(options), calibration, record: { ...own, calibration }, otherAdapter };
}
