import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openBackbone } from "../../backbones/index.ts";
import { type FaceData, requireMost } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import type { ModelChoices } from "../../models/index.ts";
import { mayBeginWith } from "../../training/index.ts";
import { alignDefaults, alignInto, describeAlignment, inputOfData } from "../align/align.ts";
import { judgeSet } from "../align/aligned.ts";
import type { alignedChoices } from "../align/aligned-choices.ts";
import { geometryNote } from "../align/geometry.ts";
import { type LeftOutOptions, openFaces } from "../data.ts";
import type { Surroundings } from "../surroundings.ts";

/** What {@link trainingFaces} needs to know of a run. */
export interface TrainingPhotos extends ModelChoices, LeftOutOptions {
  readonly train: string;
  readonly model: string;
  /** Folder of the new run. */
  readonly out: string;
  readonly aligned: (typeof alignedChoices)[number];
  readonly threads: number;
  /** Whether each face must bring its quality score. */
  readonly external: boolean;
}

/**
 * The faces to train on: the set itself where its faces are aligned; else photos are aligned into
 * the run's folder first, and what was found and done is noted. A killed run continues when it is
 * started again.
 *
 * @returns the set, or undefined where it is what `train` names
 */
export async function trainingFaces(photos: TrainingPhotos, surroundings: Surroundings): Promise<FaceData | undefined> {
  const { train, aligned, out } = photos;
  const data = await openFaces(train, photos, surroundings);
  if (data.length === 0 || data.at(0).source.kind !== "file") return data;
  const noteGeometry = async (): Promise<void> => {
    const note = await geometryNote(data);
    if (note !== undefined) surroundings.note(note);
  };
  const { aligned: are, reason } = aligned === "no" ? { aligned: false, reason: "'aligned=no'" } : await judgeSet(data);
  // A folder of something else is refused by the run itself.
  const names = await readdir(out).catch(() => []);
  if (are || !names.every(mayBeginWith)) {
    if (are) await noteGeometry();
    return data;
  }
  if (photos.external)
    throw new PetalfaceError(
      "PETAL_DATA_UNALIGNED",
      `${printPath(train)} holds photos, not aligned faces (${reason}), and 'quality=external' needs scores of aligned faces: align them first (petalface align), and write a manifest with the column quality; 'aligned=yes' uses them as they are`,
    );
  const folder = join(out, "aligned");
  surroundings.note(
    `${printPath(train)} holds photos, not aligned faces (${reason}): aligning them into ${printPath(folder)} first; 'aligned=yes' takes them as they are`,
  );
  const { size } = await openBackbone(photos.model, photos);
  const choices = { ...alignDefaults, size, threads: photos.threads };
  const summary = await alignInto(inputOfData(data), folder, choices, surroundings);
  for (const line of describeAlignment(summary)) surroundings.note(line);
  requireMost(printPath(train), { ...summary.unreadable, tried: summary.sources }, photos.mostLeftOut);
  surroundings.note(`to skip this next time: 'train' ${printPath(summary.manifest)}`);
  return await openFaces(summary.manifest, photos, surroundings);
}
