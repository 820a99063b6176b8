import type { Command } from "commander";
import { claimOutputs } from "../../../api/outputs.ts";
import { PetalfaceError } from "../../../errors.ts";
import { exportGallery, importGallery, openForeign, openGallery } from "../../../gallery/index.ts";
import { printPath } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { withEnrolOptions } from "./enrol.ts";
import { type ForeignFlags, runImport } from "./import-foreign.ts";
import { galleryArgument, placeOf, type StoreFlags, withStore } from "./store.ts";

/** `petalface gallery export G.db --out FILE`. */
export function exportCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("export")
    .description("write a gallery as one text file with a check sum, for backups and other machines")
    .argument("<gallery>", galleryArgument)
    .requiredOption("--out <file.jsonl>", "the file to write; a line for each face")
    .action(async (gallery: string, { out, ...flags }: { readonly out: string } & StoreFlags) => {
      const { address, shown: path } = placeOf(gallery, flags);
      await using _outputs = await claimOutputs([out], context, { inputs: [path] });
      await using store = await openGallery(address, { parts: "allowed" });
      const faces = await exportGallery(store, out);
      context.result({ gallery: path, out, faces }, `${faces} faces of ${path} written to ${out}`);
    });
  withStore(command);
  withExamples(command, "gallery export people.db --out people.jsonl");
}

interface ImportFlags extends ForeignFlags, StoreFlags {}

/** `petalface gallery import FILE G.db`. */
export function importCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("import")
    .description("make a gallery of an export, or enrol the faces of CompreFace or InsightFace Server")
    .argument(
      "<file>",
      "what `gallery export` wrote, a text dump of CompreFace's database (pg_dump), or InsightFace Server's insightface-server.db",
    )
    .argument(
      "<gallery>",
      "the new gallery: a file, or postgres://USER@HOST/DATABASE?gallery=NAME; for another product's faces one that `gallery create` made",
    )
    .option("--collection <name>", "which of the other product's collections or services, where there are several")
    .option(
      "--embeddings <model>",
      "keep the embeddings of this model, as the other product calls it, where no photo is kept; it must be the gallery's model",
    );
  withStore(withEnrolOptions(command)).action(async (file: string, gallery: string, flags: ImportFlags) => {
    const target = placeOf(gallery, flags);
    await using foreign = await openForeign(file);
    if (foreign !== undefined) return await runImport(file, foreign, target, flags, context);
    for (const name of ["collection", "embeddings", "model", "adapter", "report"] as const)
      if (flags[name] !== undefined)
        throw new PetalfaceError(
          "PETAL_OPTION_INVALID",
          `--${name} is for the faces of another product, and ${printPath(file)} is no database of CompreFace or InsightFace Server`,
        );
    const faces = await importGallery(file, target.address);
    const path = target.shown;
    context.result({ file, gallery: path, faces }, `${faces} faces of ${file} enrolled in ${path}`);
  });
  withExamples(
    command,
    "gallery import people.jsonl people.db",
    "gallery import compreface.sql people.db",
    "gallery import insightface-server.db people.db --embeddings buffalo_l@1",
  );
}
