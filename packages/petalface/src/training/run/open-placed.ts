import { join } from "node:path";
import { choicesOfRecord, refuseOldIdentity, refuseOther } from "../../adapters/index.ts";
import { type Backbone, openBackbone } from "../../backbones/index.ts";
import { type FaceData, openData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { exists, placesFor } from "./places.ts";
import type { RunRecord } from "./record.ts";
import type { AdaptContext, ResumeChanges } from "./types.ts";

/**
 * Opens the model and the training set of a run, at the first place where they are those that it
 * was started with.
 *
 * @throws PetalfaceError where they are at none of the places, or at all of them changed
 */
export async function openPlaced(
  folder: string,
  run: RunRecord,
  context: Pick<AdaptContext, "data" | "mostLeftOut">,
  changes: Pick<ResumeChanges, "model" | "train">,
): Promise<{ readonly backbone: Backbone; readonly data: FaceData }> {
  const backbone = await firstRight(await found(folder, run, run.model.given, changes.model, "model"), async (path) => {
    const opened = await openBackbone(path, {
      normalize: run.model.normalize,
      ...choicesOfRecord(run.adapter.backbone),
    });
    const entry = "model.sha256 and adapter.backbone.sha256";
    refuseOldIdentity(join(folder, "run.json"), entry, run.model.sha256, opened);
    if (opened.spec.sha256 !== run.model.sha256)
      throw new PetalfaceError(
        "PETAL_RUN_MISMATCH",
        `${path} is not the model that ${folder} was started with (the SHA-256 of its weights or of its graph differs)`,
      );
    refuseOther(folder, run.adapter.backbone, opened);
    return opened;
  });
  const open = async (path: string): Promise<FaceData> => {
    const opened = context.data ?? (await openData(path, { mostLeftOut: context.mostLeftOut }));
    if (opened.fingerprint !== run.data.fingerprint)
      throw new PetalfaceError(
        "PETAL_RUN_MISMATCH",
        `${path} is not the data that ${folder} was started with (files were added, removed or changed)`,
      );
    return opened;
  };
  const { spec } = run.data;
  const places = context.data === undefined ? await found(folder, run, spec, changes.train, "train") : [spec];
  return { backbone, data: await firstRight(places, open) };
}

/** The places that exist; the one that was given, where one was. */
async function found(
  folder: string,
  { places }: RunRecord,
  text: string,
  given: string | undefined,
  option: "model" | "train",
): Promise<string[]> {
  if (given !== undefined) return [given];
  const all = placesFor(folder, places, text);
  if (places === undefined || !Object.hasOwn(places, text)) return all;
  const there: string[] = [];
  for (const path of all) if (await exists(path)) there.push(path);
  if (there.length > 0) return there;
  throw new PetalfaceError(
    "PETAL_RUN_MISMATCH",
    `${folder} was started with ${text}, which is at none of these places now: ${all.join(", ")}; say where it is with '${option}'`,
  );
}

async function firstRight<T>(places: readonly string[], open: (path: string) => Promise<T>): Promise<T> {
  let failure: unknown;
  for (const path of places)
    try {
      return await open(path);
    } catch (error) {
      failure ??= error;
    }
  throw failure;
}
