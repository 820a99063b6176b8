import type { Command } from "commander";
import { openGalleryModel } from "../../../api/gallery/model.ts";
import { enrolGiven, openGalleryAt, refuseOtherAdapter } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { describeEnrolment, type EnrolFlags, enrolOptions, withEnrolOptions } from "./enrol.ts";
import { galleryArgument, placesOf, type StoreFlags, withStore } from "./store.ts";

interface Flags extends EnrolFlags, StoreFlags {
  readonly person?: string;
}

/** `petalface gallery add G.db DATA...`. */
export function addCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("add")
    .description("enrol faces; what would harm the gallery is refused, or enrolled with --force")
    .argument("<gallery>", galleryArgument)
    .argument("<data...>", "folder of one folder a person, manifest, record file, synthetic:..., or photos")
    .option("--person <name>", "who all of them are, where folders or a manifest do not say it");
  withStore(withEnrolOptions(command), { several: true }).action((gallery: string, specs: string[], flags: Flags) =>
    run(gallery, specs, flags, context),
  );
  withExamples(
    command,
    "gallery add people.db faces",
    'gallery add people.db photo1.jpg photo2.jpg --person "Ada Lovelace"',
    "gallery add people.db faces --report refused.html",
    "gallery add people faces --store postgres://me@db1/faces --store postgres://me@db2/faces",
  );
}

async function run(gallery: string, specs: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  const place = placesOf(gallery, flags);
  const { shown: path } = place;
  await using store = await openGalleryAt(place, {});
  const model = await openGalleryModel(store, flags);
  refuseOtherAdapter(model, path);
  const given = await enrolGiven({ store, model }, specs, { ...enrolOptions(flags), person: flags.person }, context);
  const { enrolment, left } = given;
  context.result(
    { gallery: path, ...enrolment, forced: context.force, leftOut: left },
    describeEnrolment(path, given, { report: flags.report, forced: context.force }),
  );
  if (enrolment.added + enrolment.known === 0) {
    if (enrolment.refused.length + left.length > 0) context.exitCode = 1;
    else throw new PetalfaceError("PETAL_DATA_MISSING", `${specs.join(" ")}: no faces to enrol`);
  }
}
