import { type Command, Option } from "commander";
import { alignedChoices } from "../../../api/align/aligned-choices.ts";
import { calibrationOf } from "../../../api/gallery/calibration.ts";
import { openGiven } from "../../../api/gallery/given.ts";
import { sourceOf } from "../../../api/gallery/model.ts";
import { picturesOf } from "../../../api/gallery/pictures.ts";
import { engineOf, openModel } from "../../../api/model.ts";
import { PetalfaceError } from "../../../errors.ts";
import {
  embeddingRecord,
  type MigrationReport,
  migrateGallery,
  openDescriber,
  openGallery,
  type PairedRanks,
} from "../../../gallery/index.ts";
import { openLoader, printPath } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { type ModelFlags, withModelOptions } from "../../model.ts";
import { numberList } from "../../numbers.ts";
import { galleryArgument, placeOf, type StoreFlags, withStore } from "./store.ts";

interface Flags extends ModelFlags, StoreFlags {
  readonly data?: string;
  readonly mapMissing?: boolean;
  readonly prepare?: boolean;
  readonly alphaRange?: readonly number[];
  readonly aligned: (typeof alignedChoices)[number];
}

/** `petalface gallery migrate G.db --model NEW [--adapter A]`. */
export function migrateCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("migrate")
    .description("change a gallery to another model or adapter; the old one is used until all is done")
    .argument("<gallery>", galleryArgument);
  withStore(withModelOptions(command))
    .option("--data <data>", "the enrolled pictures, where the gallery does not keep them; known by their bytes")
    .option(
      "--map-missing",
      "give faces without a picture an embedding that a linear map makes of the old one; what that loses is measured and reported",
    )
    .option(
      "--prepare",
      "embed all faces and go on using the old model; `gallery search --next` tries the new one, and the same command without --prepare changes to it",
    )
    .option(
      "--alpha-range <low,high>",
      "scores of `sharpness` at which alpha is 0 and 1, where no adapter says it",
      numberList,
    )
    .addOption(
      new Option("--aligned <yes|no|auto>", "whether the pictures of --data are aligned faces")
        .choices(alignedChoices)
        .default("auto"),
    )
    .action((gallery: string, flags: Flags) => run(gallery, flags, context));
  withExamples(
    command,
    "gallery migrate people.db --model fr_feature --adapter runs/first",
    "gallery migrate people.db --model other.onnx --data faces",
  );
}

async function run(gallery: string, flags: Flags, context: CliContext): Promise<void> {
  const { address, shown: path } = placeOf(gallery, flags);
  await using store = await openGallery(address, { parts: "allowed" });
  const old = await store.record();
  const opened = await openModel(flags);
  const engine = engineOf(flags);
  const calibration = calibrationOf(opened, flags, context);
  const record = embeddingRecord(opened.backbone, opened.adapter, calibration, await sourceOf(flags));
  if (
    record.space.id === old.space.id &&
    record.adapter === old.adapter &&
    JSON.stringify(record.calibration) === JSON.stringify(old.calibration)
  )
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${printPath(path)} was made with this model and adapter already; nothing to do`,
    );
  const { threads } = engine;
  const options = { aligned: flags.aligned, mostLeftOut: 1, size: old.space.size, threads };
  using given = flags.data === undefined ? undefined : await openGiven([flags.data], options, context);
  const pictures = given && (await picturesOf(given.data, context.signal));
  await using describer = await openDescriber(opened, record.calibration, engine);
  const faces = await store.count();
  await using loader = openLoader({ size: opened.model.size, threads, faces });
  const progress = context.progress("embedding again", faces, "faces");
  let report: MigrationReport;
  try {
    report = await migrateGallery({
      store,
      record,
      describer,
      loader,
      session: engine,
      pictures,
      mapMissing: flags.mapMissing,
      prepare: flags.prepare,
      signal: context.signal,
      onProgress: (done) => progress.update(done),
    });
  } finally {
    progress.close();
  }
  context.result(
    { gallery: path, model: record.space.model, adapter: record.adapter, space: record.space.id, ...report },
    describe(path, report),
  );
}

function describe(path: string, report: MigrationReport): string {
  const { faces, switched, kept, changed, withoutCopies, mapped, mapLoss, earlier, sharp, copies } = report;
  const ranks = (name: string, found: PairedRanks | null): string[] => {
    if (found === null) return [];
    const { searches, searchable, before, after, gained, lost } = found;
    const share = (count: number): string => `${((100 * count) / searches).toFixed(1)} %`;
    return [
      `${name}: rank-1 within the gallery ${share(before)} before, ${share(after)} now (${gained} gained, ${lost} lost; ${searches} of the ${searchable} faces with another one of their person were searched for)`,
    ];
  };
  return [
    `${path}: ${faces} faces; ${kept} kept their bits, ${changed} were embedded again` +
      (earlier > 0 ? `, ${earlier} by an earlier run` : ""),
    ...(withoutCopies > 0
      ? [`${withoutCopies} faces have no low-resolution copies now: their pictures are not at hand (--data)`]
      : []),
    ...(mapLoss === null
      ? []
      : [
          `${mapped} faces without a picture have mapped embeddings; on ${mapLoss.faces} of ${mapLoss.available} faces with pictures mapped and real ones have a mean cosine of ${mapLoss.cosine.toFixed(3)} (1 in 20 below ${mapLoss.lowCosine.toFixed(3)}), and ${(100 * mapLoss.rank1).toFixed(1)} % are nearest to their own`,
        ]),
    ...ranks("faces as enrolled", sharp),
    ...ranks("their low-resolution copies", copies),
    ...(switched ? [] : ["the old model is still in use; the same command without --prepare changes to the new one"]),
  ].join("\n");
}
