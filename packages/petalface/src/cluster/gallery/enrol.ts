import type { alignedChoices } from "../../api/align/aligned-choices.ts";
import type { LeftOutOptions } from "../../api/data.ts";
import { type LeftPicture, renderGatePage } from "../../api/gallery/gate-page.ts";
import { openGiven } from "../../api/gallery/given.ts";
import type { GalleryModel } from "../../api/gallery/model.ts";
import type { Engine } from "../../api/model.ts";
import { claimOutputs } from "../../api/outputs.ts";
import type { Surroundings } from "../../api/surroundings.ts";
import { PetalfaceError } from "../../errors.ts";
import { writeFileSafely } from "../../files.ts";
import {
  type Enrolled,
  type Enrolment,
  enrolPeople,
  type GalleryStore,
  openDescriber,
  openEnrolled,
  openEnrolledBy,
} from "../../gallery/index.ts";
import { openLoader, printPath } from "../../images/index.ts";
import type { GalleryParts } from "../search/parts.ts";
import { openPartsSearcher, wholeAnswers } from "../search/searcher.ts";

/** How faces are enrolled. */
export interface EnrolOptions extends LeftOutOptions {
  /** Who all of them are; each face's own person unless given. */
  readonly person?: string | undefined;
  /** Moment after which they are removed as expired (ISO 8601); none unless given. */
  readonly keepUntil?: string | undefined;
  readonly aligned: (typeof alignedChoices)[number];
  /** Quality below which a face is refused, in [0, 1]. */
  readonly minAlpha: number;
  /** Side below which a picture is refused, in pixels. */
  readonly minSide: number;
  /** File of a page on what the gate refuses. */
  readonly report?: string | undefined;
}

/** What {@link enrolGiven} did. */
export interface GivenEnrolment {
  readonly enrolment: Enrolment;
  readonly left: readonly LeftPicture[];
}

/** Refuses a model with another adapter than the gallery's. Throws PetalfaceError. */
export function refuseOtherAdapter({ otherAdapter }: GalleryModel, path: string): void {
  if (otherAdapter)
    throw new PetalfaceError(
      "PETAL_GALLERY_MISMATCH",
      `${printPath(path)} was made with another adapter; enrol with that one, or change the gallery with petalface gallery migrate`,
    );
}

/**
 * Enrols the faces of some sets and photos through the gate, and writes the page if one is asked
 * for.
 */
export async function enrolGiven(
  { store, model }: { readonly store: GalleryStore | GalleryParts; readonly model: GalleryModel },
  specs: readonly string[],
  options: EnrolOptions,
  surroundings: Surroundings,
): Promise<GivenEnrolment> {
  const { opened, engine, calibration } = model;
  const { size } = opened.model;
  const { person, keepUntil } = options;
  await using _outputs = await claimOutputs([options.report], surroundings, { inputs: [...specs, store.path] });
  const reading = { aligned: options.aligned, mostLeftOut: options.mostLeftOut, size, threads: engine.threads };
  using given = await openGiven(specs, reading, surroundings);
  await using describer = await openDescriber(opened, calibration, engine);
  await using loader = openLoader({ size, threads: engine.threads, faces: given.data.length });
  await using enrolled = await openGate(store, engine);
  const left: LeftPicture[] = [];
  const { data, lost } = given;
  for (const [index, reason] of lost) left.push({ id: data.at(index).id, reason });
  const progress = surroundings.progress("enrolling", data.length, "faces");
  let enrolment: Enrolment;
  try {
    enrolment = await enrolPeople(data, {
      store,
      describer,
      loader,
      person,
      keepUntil,
      force: surroundings.force,
      signal: surroundings.signal,
      enrolled,
      rules: { alpha: options.minAlpha, side: options.minSide },
      without: new Set(lost.keys()),
      onLeft: ({ id }, reason) => left.push({ id, reason }),
      onProgress: (done) => progress.update(done),
    });
  } finally {
    progress.close();
  }
  if (options.report !== undefined)
    await writeFileSafely(
      options.report,
      await renderGatePage({ enrolment, left, data, store, force: surroundings.force }),
    );
  if (!enrolment.compared)
    surroundings.note("note: too few people are enrolled to tell by their faces whether a name is wrong");
  return { enrolment, left };
}

/** What the gate compares new faces with: the people of a gallery, or of all its parts. */
const openGate = (store: GalleryStore | GalleryParts, session: Engine): Promise<Enrolled> =>
  "parts" in store
    ? openEnrolledBy(store, () => openPartsSearcher(store, { ...wholeAnswers, rule: "mean", session }))
    : openEnrolled(store, { threads: session.threads });
