import { type Command, Option } from "commander";
import { alignedChoices } from "../../../api/aligned-choices.ts";
import { openGalleryModel } from "../../../api/gallery-model.ts";
import { PetalfaceError } from "../../../errors.ts";
import { type Enrolment, enrolPeople, gateDefaults, openDescriber, openGallery } from "../../../gallery/index.ts";
import { openLoader, printPath } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { numeric } from "../../numbers.ts";
import { parseInteger } from "../../options.ts";
import { plainTable } from "../../table.ts";
import { openGiven } from "./faces.ts";
import { type GalleryModelFlags, withGalleryModel } from "./model.ts";
import { galleryArgument, placeOf, type StoreFlags, withStore } from "./store.ts";

interface Flags extends GalleryModelFlags, DataFlags, StoreFlags {
  readonly keepUntil?: string;
  readonly retain?: number;
  readonly person?: string;
  readonly aligned: (typeof alignedChoices)[number];
  readonly minAlpha: number;
  readonly minSide: number;
}

/** `petalface gallery add G.db DATA...`. */
export function addCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("add")
    .description("enrol faces; what would harm the gallery is refused, or enrolled with --force")
    .argument("<gallery>", galleryArgument)
    .argument("<data...>", "folder of one folder a person, manifest, record file, synthetic:..., or photos")
    .option("--person <name>", "who all of them are, where folders or a manifest do not say it")
    .addOption(
      new Option("--aligned <yes|no|auto>", "whether the pictures are aligned faces; photos are aligned first")
        .choices(alignedChoices)
        .default("auto"),
    )
    .option("--min-alpha <share>", "quality below which a face is refused as blurred", numeric, gateDefaults.alpha)
    .option(
      "--min-side <pixels>",
      "side below which a picture is refused as too small",
      parseInteger("--min-side", 1, 1024),
      gateDefaults.side,
    )
    .option(
      "--keep-until <date>",
      "date after which `gallery remove --expired` deletes these faces, such as 2030-01-31",
    )
    .option("--retain <days>", "the same in days from now", parseInteger("--retain", 1, 36_500));
  withStore(withDataOptions(withGalleryModel(command))).action((gallery: string, specs: string[], flags: Flags) =>
    run(gallery, specs, flags, context),
  );
  withExamples(
    command,
    "gallery add people.db faces",
    'gallery add people.db photo1.jpg photo2.jpg --person "Ada Lovelace"',
  );
}

async function run(gallery: string, specs: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  const { address, shown: path } = placeOf(gallery, flags);
  const keepUntil = keepUntilOf(flags);
  await using store = await openGallery(address);
  const { opened, engine, calibration, otherAdapter } = await openGalleryModel(store, flags);
  if (otherAdapter)
    throw new PetalfaceError(
      "PETAL_GALLERY_MISMATCH",
      `${printPath(path)} was made with another adapter; enrol with that one, or change the gallery with petalface gallery migrate`,
    );
  const { size } = opened.model;
  const { aligned, maxLeftOut } = flags;
  using given = await openGiven(specs, { aligned, maxLeftOut, size, threads: engine.threads }, context);
  await using describer = await openDescriber(opened, calibration, engine);
  await using loader = openLoader({ size, threads: engine.threads });
  const left: { readonly id: string; readonly reason: string }[] = [];
  const { data, lost } = given;
  for (const [index, reason] of lost) left.push({ id: data.at(index).id, reason });
  const progress = context.progress("enrolling", data.length, "faces");
  let enrolment: Enrolment;
  try {
    enrolment = await enrolPeople(data, {
      ...{ store, describer, loader, person: flags.person, keepUntil, force: context.force, signal: context.signal },
      rules: { alpha: flags.minAlpha, side: flags.minSide },
      without: new Set(lost.keys()),
      onLeft: ({ id }, reason) => left.push({ id, reason }),
      onProgress: (done) => progress.update(done),
    });
  } finally {
    progress.close();
  }
  const { added, known, refused } = enrolment;
  if (!enrolment.compared)
    context.note("note: too few people are enrolled to tell by their faces whether a name is wrong");
  context.result(
    { gallery: path, ...enrolment, forced: context.force, leftOut: left },
    describe(path, enrolment, left),
  );
  if (added + known === 0) {
    if (refused.length + left.length > 0) context.exitCode = 1;
    else throw new PetalfaceError("PETAL_DATA_MISSING", `${specs.join(" ")}: no faces to enrol`);
  }
}

/** The last moment of the date that faces may be kept until; undefined: until they are removed. */
function keepUntilOf({ keepUntil, retain }: Flags): string | undefined {
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

function describe(
  path: string,
  { added, people, known, refused }: Enrolment,
  left: readonly { readonly id: string; readonly reason: string }[],
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
  return lines.join("\n");
}
