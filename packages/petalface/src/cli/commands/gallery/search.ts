import { type Command, Option } from "commander";
import { type SearchOptions, searchGallery } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { parseInteger } from "../../options.ts";
import { printAnswer } from "./answers.ts";
import { printCounts } from "./counts.ts";
import { alignedOption, checkDecisions, withDecisionOptions } from "./decisions.ts";
import { type GalleryModelFlags, withGalleryModel } from "./model.ts";
import { galleryArgument, placesOf, type StoreFlags, withStore } from "./store.ts";
import { describeThresholds } from "./thresholds.ts";

interface Flags extends GalleryModelFlags, StoreFlags, Omit<SearchOptions, "faces" | keyof GalleryModelFlags> {
  readonly track?: string;
}

/** `petalface gallery search G.db PHOTO...`. */
export function searchCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("search")
    .description("say who each face is, or that it is unknown")
    .argument("<gallery>", galleryArgument)
    .argument("[photos...]", "photos, folders, manifests")
    .option("--track <folder>", "a folder or manifest of frames of one face: one answer for all of them together");
  withDecisionOptions(command)
    .option("--index", "ask the index that `gallery index` built instead of comparing with everybody")
    .option("--next", "search by the model that `gallery migrate --prepare` moves to, before it is in use")
    .option("--top <n>", "nearest people that are listed", parseInteger("--top", 1, 1000), 5)
    .option("--named", "the photos' folders or manifest say who is on them: count how often the answer is right")
    .addOption(alignedOption());
  withStore(withGalleryModel(command), { several: true })
    .addOption(
      new Option(
        "--when-down <error|partial>",
        "with several --store: whether a server that does not answer ends the search, or the others answer",
      ).choices(["error", "partial"]),
    )
    .option(
      "--timeout <seconds>",
      "with several --store: how long a server may take for one question",
      parseInteger("--timeout", 1, 86_400),
      30,
    )
    .action((gallery: string, photos: string[], flags: Flags) => run(gallery, photos, flags, context));
  withExamples(
    command,
    "gallery search people.db photo.jpg",
    "gallery search people.db door/*.jpg --threshold 0.35 --json",
    "gallery search people.db --track frames",
    "gallery search people photo.jpg --store postgres://me@db1/faces --store postgres://me@db2/faces",
  );
}

async function run(gallery: string, photos: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  const { track } = flags;
  if ((track === undefined) === (photos.length === 0))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "give photos to search for, or --track with a folder or manifest of frames",
    );
  if (flags.named === true && track !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "--named is for photos, not for --track");
  checkDecisions(flags);
  const place = placesOf(gallery, flags);
  const faces = track === undefined ? { photos } : { track };
  const { missing, ...found } = await searchGallery(place, { ...flags, faces }, context);
  const { enrolled, search, thresholds, counts, named, photos: answers } = found;
  context.note(describeThresholds(thresholds));
  for (const { part, reason } of missing ?? []) context.note(`partial answer: ${part} was not searched (${reason})`);
  context.result(
    {
      gallery: place.shown,
      ...(missing && { missing }),
      enrolled,
      search,
      templates: flags.templates,
      thresholds,
      counts,
      ...(named && { named }),
      photos: answers,
    },
    [...answers.map(printAnswer), ...(answers.length > 1 ? printCounts(counts, named) : [])].join("\n"),
  );
}
