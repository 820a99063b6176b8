import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { sourceOf } from "../../../api/gallery-model.ts";
import { type OpenedModel, openModel } from "../../../api/model.ts";
import { createGalleryParts } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { createGallery, embeddingRecord, parseThresholds, type ThresholdTable } from "../../../gallery/index.ts";
import { printPath } from "../../../images/index.ts";
import { checkCopies, defaultCopySizes } from "../../../matching/index.ts";
import type { ModelChoices } from "../../../models/index.ts";
import {
  type Calibration,
  knowsPhotos,
  measureOf,
  photoCalibration,
  printCalibration,
  rangeCalibration,
} from "../../../quality/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { withModelChoices } from "../../model.ts";
import { numberList } from "../../numbers.ts";
import { placesOf, type StoreFlags, withStore } from "./store.ts";

interface Flags extends ModelChoices, StoreFlags {
  readonly model: string;
  readonly adapter?: string;
  readonly copies?: string;
  readonly keepCrops?: boolean;
  readonly thresholds?: string;
  readonly alphaRange?: readonly number[];
}

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
    .option("--thresholds <file.json>", "thresholds by alpha; without them each search estimates them on the gallery")
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
  const { addresses, shown: path } = placesOf(gallery, flags);
  const opened = await openModel(flags);
  const calibration = calibrationOf(opened, flags, context);
  const record = embeddingRecord(opened.backbone, opened.adapter, calibration, await sourceOf(flags));
  const thresholds = flags.thresholds === undefined ? null : await readThresholds(flags.thresholds);
  const copies = copiesOf(flags.copies, opened.backbone.size);
  const settings = { copies, keepCrops: flags.keepCrops === true, thresholds };
  const [address, ...others] = addresses;
  if (others.length > 0) await createGalleryParts(addresses, record, settings);
  else await createGallery(address, record, settings);
  context.result(
    {
      gallery: path,
      model: record.space.model,
      adapter: record.adapter,
      space: record.space.id,
      calibration: record.calibration,
      copies,
      keepCrops: flags.keepCrops === true,
    },
    `${path}: an empty gallery for ${record.space.model}; next: petalface gallery add ${path} FACES`,
  );
}

/**
 * Sides of copies: those asked for, or the usual ones that are smaller than the model's input.
 * Throws PetalfaceError.
 */
function copiesOf(asked: string | undefined, size: number): readonly number[] {
  if (asked === undefined) return defaultCopySizes.filter((side) => side < size);
  if (asked === "none") return [];
  const sizes = asked.split(",").map((part) => (/^\s*\d{1,5}\s*$/.test(part) ? Number(part) : Number.NaN));
  checkCopies({ sizes, weight: 0 }, size);
  return sizes;
}

/**
 * How a model's faces become alpha: as its adapter says, or the user, or as photos of its size do.
 */
export function calibrationOf(
  { backbone, adapter }: OpenedModel,
  flags: { readonly alphaRange?: readonly number[] | undefined },
  context: CliContext,
): Calibration | undefined {
  if (adapter !== undefined) return adapter.config.calibration;
  const sharpness = measureOf("sharpness");
  if (flags.alphaRange !== undefined) {
    const [low, high] = flags.alphaRange;
    if (flags.alphaRange.length !== 2 || low === undefined || high === undefined || low === high)
      throw new PetalfaceError("PETAL_OPTION_INVALID", "--alpha-range is two different numbers, LOW,HIGH");
    return rangeCalibration(sharpness, low, high);
  }
  if (!knowsPhotos(sharpness.name, backbone.size)) {
    context.note(
      `note: nothing says which faces of ${backbone.size} px are sharp, so all count as sharp (alpha 1); --alpha-range says it`,
    );
    return undefined;
  }
  const calibration = photoCalibration(sharpness, backbone.size);
  context.note(printCalibration(calibration));
  return calibration;
}

/** Reads thresholds from a JSON file. Throws PetalfaceError. */
export async function readThresholds(path: string): Promise<ThresholdTable> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new PetalfaceError("PETAL_RESULT_INVALID", `cannot read ${printPath(path)} (${cause.message})`, { cause });
  });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new PetalfaceError("PETAL_RESULT_INVALID", `${printPath(path)} is not valid JSON`, { cause });
  }
  return parseThresholds(document, printPath(path));
}
