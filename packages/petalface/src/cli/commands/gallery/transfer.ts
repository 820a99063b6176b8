import type { Command } from "commander";
import { claimOutputs } from "../../../api/outputs.ts";
import { exportGallery, importGallery, openGallery } from "../../../gallery/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
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
      await using store = await openGallery(address);
      const faces = await exportGallery(store, out);
      context.result({ gallery: path, out, faces }, `${faces} faces of ${path} written to ${out}`);
    });
  withStore(command);
  withExamples(command, "gallery export people.db --out people.jsonl");
}

/** `petalface gallery import FILE G.db`. */
export function importCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("import")
    .description("make a gallery of a file that `gallery export` wrote")
    .argument("<file>", "the export; its check sum is verified first")
    .argument("<gallery>", "the new gallery: a file, or postgres://USER@HOST/DATABASE?gallery=NAME")
    .action(async (file: string, gallery: string, flags: StoreFlags) => {
      const { address, shown: path } = placeOf(gallery, flags);
      const faces = await importGallery(file, address);
      context.result({ file, gallery: path, faces }, `${faces} faces of ${file} enrolled in ${path}`);
    });
  withStore(command);
  withExamples(command, "gallery import people.jsonl people.db");
}
