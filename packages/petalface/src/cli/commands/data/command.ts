import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { openData, packedFiles, packRecords, printUnreadable, unpackRecords } from "../../../data/index.ts";
import { type ImageSource, openLoader } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { parseInteger } from "../../options.ts";
import { claimOutputs } from "../../outputs.ts";
import { encodePng } from "../../png.ts";

interface PackFlags {
  readonly out: string;
  readonly size: number;
}

async function pack(spec: string, { out, size }: PackFlags, context: CliContext): Promise<void> {
  await using _outputs = await claimOutputs(packedFiles(out), context, { inputs: [spec] });
  const data = await openData(spec, { signal: context.signal });
  const synthetic = data.length > 0 && data.at(0).source.kind === "synthetic";
  const loader = openLoader({ size, threads: synthetic ? Math.min(availableParallelism(), 8) : 0 });
  const progress = context.progress("packing", data.length, "faces");
  try {
    const packed = await packRecords(data, out, {
      encode: async (source: ImageSource) => encodePng(await loader.load([{ source, flip: false }]), size),
      signal: context.signal,
      onProgress: (done) => progress.update(done),
      replace: true,
    });
    const left = printUnreadable(packed.unreadable);
    if (left !== undefined) context.note(left);
    context.result(
      { input: spec, ...packed },
      `${packed.images} faces of ${packed.people} people, ${packed.bytes} bytes, written to ${packed.files.join(", ")}`,
    );
  } finally {
    progress.close();
    await loader.close();
  }
}

async function unpack(spec: string, { out }: { readonly out: string }, context: CliContext): Promise<void> {
  const data = await openData(spec, { signal: context.signal });
  const progress = context.progress("unpacking", data.length, "faces");
  try {
    const unpacked = await unpackRecords(data, out, {
      signal: context.signal,
      onProgress: (done) => progress.update(done),
    });
    const left = printUnreadable(unpacked.unreadable);
    if (left !== undefined) context.note(left);
    context.result({ input: spec, output: out, ...unpacked }, `${unpacked.images} faces written to ${out}`);
  } finally {
    progress.close();
  }
}

/** `petalface data pack|unpack`: between folders of photos and MXNet's record files. */
export function dataCommand(program: Command, context: CliContext): void {
  const command = program.command("data").description("convert sets of faces to MXNet's record files and back");
  const packing = command
    .command("pack")
    .description(
      "write a set as train.rec, train.idx and train.lst in insightface's layout; JPEG and PNG bytes unchanged",
    )
    .argument("<data>", "folder, manifest, list (.lst), record file, or synthetic[:people=N,images=M,seed=S]")
    .requiredOption("--out <file.rec>", "the record file; .idx and .lst are written next to it")
    .option(
      "--size <pixels>",
      "side of faces that have to be encoded again, as PNG: synthetic ones, WebP, AVIF, GIF, TIFF",
      parseInteger("--size", 8, 4096),
      112,
    )
    .action((spec: string, flags: PackFlags) => pack(spec, flags, context));
  withExamples(
    packing,
    "data pack faces --out train.rec",
    "data pack synthetic:people=100,images=4 --out drawn/train.rec",
  );
  const unpacking = command
    .command("unpack")
    .description("write each image of a record file (.rec) or verification list (.bin) as a file, bytes unchanged")
    .argument("<data>", "record file, or verification list")
    .requiredOption("--out <folder>", "new folder, with one folder for each person")
    .action((spec: string, flags: { readonly out: string }) => unpack(spec, flags, context));
  withExamples(unpacking, "data unpack train.rec --out faces");
  withExamples(command, "data pack faces --out train.rec", "data unpack train.rec --out faces");
}
