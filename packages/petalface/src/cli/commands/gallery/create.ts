import type { Command } from "commander";
import { createGalleryAt, type NewGallery } from "../../../cluster/index.ts";
import { printArgument } from "../../../print-path.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { withModelChoices } from "../../model.ts";
import { numberList } from "../../numbers.ts";
import { placesOf, type StoreFlags, withStore } from "./store.ts";

interface Flags extends NewGallery, StoreFlags {}

/** `petalface gallery create G.db --model M`. */
export function createCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("create")
    .description("make an empty gallery for the embeddings of one model")
    .argument("<gallery>", "the file, such as people.db, or postgres://USER@HOST/DATABASE?gallery=NAME")
    .requiredOption("--model <file|name>", "the face recogniser (.onnx, or a name that `petalface models` lists)");
  withStore(withModelChoices(command), { several: true })
    .option("--adapter <run>", "a run of `petalface adapt`, or its adapter folder; the frozen model unless given")
    .option(
      "--copies <pixels,...>",
      "sides of the low-resolution copies that are enrolled with each face, for poor probes; 16,12 unless given; none: off",
    )
    .option("--keep-crops", "keep each picture's file in the gallery, so that another model can take over")
    .option(
      "--thresholds <file.json>",
      "thresholds by alpha, such as `threshold --out` writes; estimated at each search unless given",
    )
    .option(
      "--alpha-range <low,high>",
      "scores of `sharpness` at which alpha is 0 and 1, where no adapter says it",
      numberList,
    )
    .action((gallery: string, flags: Flags) => run(gallery, flags, context));
  withExamples(
    command,
    "gallery create people.db --model fr_feature",
    "gallery create people.db --model fr_feature --adapter runs/first --keep-crops",
    "gallery create people --model fr_feature --store postgres://me@db1/faces --store postgres://me@db2/faces",
  );
}

async function run(gallery: string, flags: Flags, context: CliContext): Promise<void> {
  const place = placesOf(gallery, flags);
  const { shown: path } = place;
  const { record, copies } = await createGalleryAt(place, flags, context);
  const { space, adapter, calibration } = record;
  context.result(
    {
      gallery: path,
      model: space.model,
      adapter,
      space: space.id,
      calibration,
      copies,
      keepCrops: flags.keepCrops === true,
    },
    `${path}: an empty gallery for ${space.model}; next: petalface gallery add ${printArgument(path)} FACES`,
  );
}
