import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { choicesOf, type Engine, engineOf, type OpenedModel, openModel } from "../../../api/model.ts";
import {
  type EmbeddingRecord,
  embeddingRecord,
  type GalleryStore,
  type ModelSource,
  refuseOtherSpace,
} from "../../../gallery/index.ts";
import { printPath } from "../../../images/index.ts";
import type { ModelChoices } from "../../../models/index.ts";
import type { Calibration } from "../../../quality/index.ts";
import { type ModelFlags, withEngineOptions, withModelChoices } from "../../model.ts";

/** Options that name a model, which a gallery knows already. */
export interface GalleryModelFlags extends ModelChoices, Pick<ModelFlags, "provider" | "threads" | "fast"> {
  readonly model?: string;
  readonly adapter?: string;
}

/** Adds `--model`, `--adapter` and how to feed and compute; none of them is needed. */
export function withGalleryModel(command: Command): Command {
  command
    .option("--model <file|name>", "where the gallery's model is now; as when it was made unless given")
    .option("--adapter <run>", "where its adapter is now; as when it was made unless given");
  return withEngineOptions(withModelChoices(command));
}

/** What a gallery notes of where a model is. */
export async function sourceOf(
  flags: ModelChoices & { readonly model: string; readonly adapter?: string | undefined },
): Promise<ModelSource> {
  const isFile = await stat(flags.model).then(
    (entry) => entry.isFile(),
    () => false,
  );
  const choices = Object.fromEntries(Object.entries(choicesOf(flags)).filter(([, value]) => value !== undefined));
  return {
    model: isFile ? resolve(flags.model) : flags.model,
    adapter: flags.adapter === undefined ? null : resolve(flags.adapter),
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
 * Opens the model that a gallery was made with, from where the flags say, or where it was.
 *
 * @throws PetalfaceError where it makes embeddings of another space
 */
export async function openGalleryModel(store: GalleryStore, flags: GalleryModelFlags): Promise<GalleryModel> {
  const record = await store.record();
  const { source } = record;
  const given = Object.fromEntries(Object.entries(choicesOf(flags)).filter(([, value]) => value !== undefined));
  const named = {
    ...source.choices,
    ...given,
    model: flags.model ?? source.model,
    adapter: flags.adapter ?? source.adapter ?? undefined,
  };
  const opened = await openModel(named);
  const own = embeddingRecord(opened.backbone, opened.adapter, record.calibration ?? undefined, await sourceOf(named));
  refuseOtherSpace(printPath(store.path), record.space, own.space);
  const otherAdapter = own.adapter !== record.adapter;
  const calibration = otherAdapter ? (opened.adapter?.config.calibration ?? record.calibration) : record.calibration;
  return { opened, engine: engineOf(flags), calibration, record: { ...own, calibration }, otherAdapter };
}
