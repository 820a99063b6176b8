import { readdir, realpath } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import type { Command } from "commander";
import type { FaceData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { writeFileSafely } from "../../files.ts";
import type { Degradation } from "../../images/index.ts";
import type { CliContext } from "../context.ts";
import { withExamples } from "../examples.ts";
import { parseInteger } from "../options.ts";
import { encodePng } from "../png.ts";

interface DegradeOptions {
  readonly to: string;
  readonly size: number;
}

/** How many faces are in memory at once. */
const BATCH = 64;

/** Refuses an output folder that holds something, or that lies in the input or around it. */
async function checkFolders(input: string, output: string): Promise<void> {
  const entries = await readdir(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new PetalfaceError(`cannot use ${output} as the output folder: ${error.message}`, { cause: error });
  });
  if (entries.length > 0) throw new PetalfaceError(`${output} is not empty: name a new folder for the degraded faces`);
  const from = await realpath(input).catch(() => undefined);
  if (from === undefined) return;
  const inside = relative(from, resolve(output));
  if (inside === "" || (!inside.startsWith("..") && inside !== resolve(output)))
    throw new PetalfaceError(`${output} lies in ${input}: name a folder outside of it`);
}

/** Output file of every sample, below the output folder whatever the ids look like, and unique. */
function outputNames(data: FaceData): (index: number) => string {
  const taken = new Map<string, number>();
  const plain = (id: string): string =>
    id
      .split(/[\\/]/)
      .filter((part) => part !== "" && part !== "." && part !== "..")
      .join(sep)
      .replaceAll(":", "_");
  const stem = (id: string): string => plain(id).replace(/\.[^.\\/]*$/, "");
  for (let index = 0; index < data.length; index++) {
    const name = stem(data.at(index).id);
    taken.set(name, (taken.get(name) ?? 0) + 1);
  }
  return (index) => {
    const { id } = data.at(index);
    return `${taken.get(stem(id)) === 1 ? stem(id) : plain(id)}.png`;
  };
}

async function run(input: string, output: string, options: DegradeOptions, context: CliContext): Promise<void> {
  const [{ openData }, { openLoader, parseDegradation, printDegradation }] = await Promise.all([
    import("../../data/index.ts"),
    import("../../images/index.ts"),
  ]);
  const degrade: Degradation = parseDegradation(options.to);
  const data = await openData(input);
  await checkFolders(input, output);
  const nameOf = outputNames(data);
  const loader = openLoader({
    size: options.size,
    threads: Math.min(availableParallelism(), Math.ceil(data.length / BATCH)),
  });
  const progress = context.progress("degrading", data.length, "faces");
  try {
    for (let start = 0; start < data.length; start += BATCH) {
      context.signal.throwIfAborted();
      const samples = Array.from({ length: Math.min(BATCH, data.length - start) }, (_, i) => data.at(start + i));
      const planes = await loader.load(samples.map(({ source }) => ({ source, flip: false, degrade })));
      const bytes = 3 * options.size ** 2;
      await Promise.all(
        samples.map(async (_, i) => {
          const png = await encodePng(planes.subarray(i * bytes, (i + 1) * bytes), options.size);
          await writeFileSafely(join(output, nameOf(start + i)), png);
        }),
      );
      progress.update(start + samples.length);
    }
  } finally {
    progress.close();
    await loader.close();
  }
  const to = printDegradation(degrade);
  context.result(
    { input, output, degradation: to, size: options.size, faces: data.length },
    `${data.length} faces, ${to}, written to ${output}`,
  );
}

/** `petalface degrade IN OUT --to lr:16`: a copy of a data set as a bad camera would have seen it. */
export function degradeCommand(program: Command, context: CliContext): void {
  const command = program
    .command("degrade")
    .description("write a low-resolution copy of a set of aligned faces, as PNG files")
    .argument("<in>", "folder, manifest, .rec, .bin, or synthetic[:people=N,images=M,seed=S]")
    .argument("<out>", "new folder for the copies")
    .requiredOption("--to <spec>", "how to degrade: lr:PIXELS, shrunk to PIXELS x PIXELS and enlarged back")
    .option("--size <pixels>", "side of the faces written", parseInteger("--size", 8, 4096), 112)
    .action((input: string, output: string, options: DegradeOptions) => run(input, output, options, context));
  withExamples(command, "degrade faces faces-16px --to lr:16", "degrade synthetic:people=5,images=2 drawn --to lr:24");
}
