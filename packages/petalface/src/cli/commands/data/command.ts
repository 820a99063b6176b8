import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { leftOutOf, noteMoreLeftOut } from "../../../api/data.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { packedFiles, packRecords, unpackRecords } from "../../../data/index.ts";
import { encodePng, type ImageSource, openLoader } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, openFaces, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { parseInteger } from "../../options.ts";

interface PackFlags extends DataFlags {
  readonly out: string;
  readonly size: number;
}

interface UnpackFlags extends DataFlags {
  readonly out: string;
}

async function pack(spec: string, flags: PackFlags, context: CliContext): Promise<void> {
  const { out, size } = flags;
  await using _outputs = await claimOutputs(packedFiles(out), context, { inputs: [spec] });
  const data = await openFaces(spec, flags, context);
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
    const { unreadable, ...written } = packed;
    noteMoreLeftOut(data, unreadable, context);
    context.result(
      { input: spec, ...written, leftOut: leftOutOf(data, unreadable) },
      `${packed.images} faces of ${packed.people} people, ${packed.bytes} bytes, written to ${packed.files.join(", ")}`,
    );
  } finally {
    progress.close();
    await loader.close();
  }
}

async function unpack(spec: string, flags: UnpackFlags, context: CliContext): Promise<void> {
  const { out } = flags;
  const data = await openFaces(spec, flags, context);
  const progress = context.progress("unpacking", data.length, "faces");
  try {
    const unpacked = await unpackRecords(data, out, {
      signal: context.signal,
      onProgress: (done) => progress.update(done),
    });
    const { images, unreadable } = unpacked;
    noteMoreLeftOut(data, unreadable, context);
    context.result(
      { input: spec, output: out, images, leftOut: leftOutOf(data, unreadable) },
      `${images} faces written to ${out}`,
    );
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
  withDataOptions(packing);
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
    .action((spec: string, flags: UnpackFlags) => unpack(spec, flags, context));
  withDataOptions(unpacking);
  withExamples(unpacking, "data unpack train.rec --out faces");
  withExamples(command, "data pack faces --out train.rec", "data unpack train.rec --out faces");
}
