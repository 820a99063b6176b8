import type { Command } from "commander";
import { writeEmbeddings } from "../../../api/embed/to-file.ts";
import { type CacheFlags, withCacheOption } from "../../cache-option.ts";
import type { CliContext } from "../../context.ts";
import { type CopyFlags, givenCopies, withCopyOptions } from "../../copies.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { type ModelFlags, withModelOptions } from "../../model.ts";

interface Flags extends ModelFlags, CacheFlags, DataFlags, CopyFlags {
  readonly images: string;
  readonly copies?: number[];
  readonly out: string;
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const copies = givenCopies("--copies", flags.copies, flags);
  const { metadata, leftOut, ...file } = await writeEmbeddings({ ...flags, ...leftOutOptions(flags), copies }, context);
  const { faces, width, out, list, kept } = file;
  context.result(
    { ...file, ...metadata, leftOut },
    `${faces} embeddings of ${width} numbers written to ${out}; which row is which face: ${list}${kept === 0 ? "" : `; ${kept} were kept from earlier runs`}`,
  );
}

/** `petalface embed`: the embeddings of a set of faces as one array. */
export function embedCommand(program: Command, context: CliContext): void {
  const command = withDataOptions(withCacheOption(withModelOptions(program.command("embed"))))
    .description("write the embeddings of a set of faces, and a CSV with the face of each row")
    .requiredOption("--images <data>", "folder, manifest, .rec, .bin, or synthetic[:people=N,images=M,seed=S]")
    .requiredOption("--out <file>", "a .npy or .safetensors file; rows are float32, as the network gives them");
  withCopyOptions(command, "--copies", {
    sizes:
      "enrol: each row is a template of the photo and of copies of it, shrunk to these sizes in pixels, such as 16,12 (docs/copies.md)",
    weight:
      "weight of the copies, 0.25 unless given; alpha: keep the photo and its copies apart, two vectors a face, so that the weight can follow each probe",
  }).action((flags: Flags) => run(flags, context));
  withExamples(
    command,
    "embed --model fr_feature --images faces --out faces.npy",
    "embed --model fr_feature --adapter runs/first --images faces --out faces.safetensors",
    "embed --model fr_feature --adapter runs/first --images gallery --copies 16,12 --out gallery.npy",
  );
}
