import type { Command } from "commander";
import type { alignedChoices } from "../../../api/aligned-choices.ts";
import { type LeftPicture, renderGatePage } from "../../../api/gallery/gate-page.ts";
import { openGiven } from "../../../api/gallery/given.ts";
import type { GalleryModel } from "../../../api/gallery-model.ts";
import type { Engine } from "../../../api/model.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { type GalleryParts, openPartsSearcher, wholeAnswers } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { writeFileSafely } from "../../../files.ts";
import {
  type Enrolled,
  type Enrolment,
  enrolPeople,
  type GalleryStore,
  openDescriber,
  openEnrolled,
  openEnrolledBy,
} from "../../../gallery/index.ts";
import { openLoader, printPath } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
import { parseInteger } from "../../options.ts";
import { plainTable } from "../../table.ts";
import { alignedOption, withGateOptions } from "./decisions.ts";
import { type GalleryModelFlags, withGalleryModel } from "./model.ts";

/** Options of commands that enrol faces. */
export interface EnrolFlags extends GalleryModelFlags, DataFlags {
  readonly keepUntil?: string;
  readonly retain?: number;
  readonly aligned: (typeof alignedChoices)[number];
  readonly minAlpha: number;
  readonly minSide: number;
  readonly report?: string;
}

/** Adds {@link EnrolFlags}. */
export function withEnrolOptions(command: Command): Command {
  withGateOptions(command.addOption(alignedOption()))
    .option(
      "--keep-until <date>",
      "date after which `gallery remove --expired` deletes these faces, such as 2030-01-31",
    )
    .option("--retain <days>", "the same in days from now", parseInteger("--retain", 1, 36_500))
    .option("--report <file.html>", "write what the gate refuses as an HTML page with pictures");
  return withDataOptions(withGalleryModel(command));
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
 *
 * @param person who all of them are; each face's own person unless given
 */
export async function enrolGiven(
  { store, model }: { readonly store: GalleryStore | GalleryParts; readonly model: GalleryModel },
  specs: readonly string[],
  flags: EnrolFlags,
  person: string | undefined,
  context: CliContext,
): Promise<GivenEnrolment> {
  const keepUntil = keepUntilOf(flags);
  const { opened, engine, calibration } = model;
  const { size } = opened.model;
  await using _outputs = await claimOutputs([flags.report], context, { inputs: [...specs, store.path] });
  const reading = { aligned: flags.aligned, ...leftOutOptions(flags), size, threads: engine.threads };
  using given = await openGiven(specs, reading, context);
  await using describer = await openDescriber(opened, calibration, engine);
  await using loader = openLoader({ size, threads: engine.threads });
  await using enrolled = await openGate(store, engine);
  const left: LeftPicture[] = [];
  const { data, lost } = given;
  for (const [index, reason] of lost) left.push({ id: data.at(index).id, reason });
  const progress = context.progress("enrolling", data.length, "faces");
  let enrolment: Enrolment;
  try {
    enrolment = await enrolPeople(data, {
      ...{ store, describer, loader, person, keepUntil, force: context.force, signal: context.signal },
      enrolled,
      rules: { alpha: flags.minAlpha, side: flags.minSide },
      without: new Set(lost.keys()),
      onLeft: ({ id }, reason) => left.push({ id, reason }),
      onProgress: (done) => progress.update(done),
    });
  } finally {
    progress.close();
  }
  if (flags.report !== undefined)
    await writeFileSafely(flags.report, await renderGatePage({ enrolment, left, data, store, force: context.force }));
  if (!enrolment.compared)
    context.note("note: too few people are enrolled to tell by their faces whether a name is wrong");
  return { enrolment, left };
}

/** What the gate compares new faces with: the people of a gallery, or of all its parts. */
const openGate = (store: GalleryStore | GalleryParts, session: Engine): Promise<Enrolled> =>
  "parts" in store
    ? openEnrolledBy(store, () => openPartsSearcher(store, { ...wholeAnswers, rule: "mean", session }))
    : openEnrolled(store, { threads: session.threads });

/** The last moment of the date that faces may be kept until; undefined: until they are removed. */
export function keepUntilOf({ keepUntil, retain }: Pick<EnrolFlags, "keepUntil" | "retain">): string | undefined {
  if (keepUntil !== undefined && retain !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give --keep-until or --retain, not both");
  if (retain !== undefined) return new Date(Date.now() + retain * 86_400_000).toISOString();
  if (keepUntil === undefined) return undefined;
  const date = new Date(`${keepUntil}T23:59:59.999Z`);
  // A date that is none, such as February 30, becomes another one.
  if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== keepUntil)
    throw new PetalfaceError("PETAL_OPTION_INVALID", `--keep-until is a date YYYY-MM-DD, not ${keepUntil}`);
  return date.toISOString();
}

/** Refusals that are listed one by one. */
const listed = 20;

/** What was enrolled and what was not, for people to read. */
export function describeEnrolment(
  path: string,
  { enrolment: { added, people, known, refused }, left }: GivenEnrolment,
  report: string | undefined,
): string {
  const count = (number: number, one: string, more: string): string => `${number} ${number === 1 ? one : more}`;
  const lines = [
    `${count(added, "face", "faces")} enrolled in ${path}, ${count(people, "new person", "new people")}` +
      (known > 0 ? `; ${known} were there already` : ""),
  ];
  if (left.length > 0) {
    lines.push(`${count(left.length, "picture", "pictures")} without a face to enrol:`);
    lines.push(...left.slice(0, listed).map(({ id, reason }) => `  ${printPath(id)}: ${reason}`));
  }
  if (refused.length > 0) {
    lines.push(`${count(refused.length, "face", "faces")} that the gate refuses (--force enrols them):`);
    lines.push(
      plainTable(
        refused
          .slice(0, listed)
          .map(({ id, person, reason, like, cosine }) => [
            `  ${printPath(id)}`,
            person,
            reason + (like === undefined ? "" : `: ${like}, cosine ${cosine?.toFixed(3)}`),
          ]),
      ),
    );
    if (refused.length > listed) lines.push(`  and ${refused.length - listed} more (--json lists all)`);
  }
  if (report !== undefined) lines.push(`page: ${printPath(report)}`);
  return lines.join("\n");
}
