import { readdir, realpath } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { relative, resolve, sep } from "node:path";
import type { Command } from "commander";
import { leftOutOf, noteMoreLeftOut } from "../../../api/data.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { type FaceData, type Tally, tallyOf } from "../../../data/index.ts";
import { plainName } from "../../../disk-names.ts";
import { PetalfaceError } from "../../../errors.ts";
import { openFileSet, writeFileSafely } from "../../../files.ts";
import { type DegradationSpec, encodePng, type Loader } from "../../../images/index.ts";
import { isLitter } from "../../../litter.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, openFaces, withDataOptions } from "../../data.ts";
import { printCommand, withExamples } from "../../examples.ts";
import { parseInteger } from "../../options.ts";
import type { Fit } from "./fit.ts";

interface DegradeOptions extends DataFlags {
  readonly to?: string;
  readonly fit?: string;
  readonly seed: number;
  readonly size: number;
  readonly sheet?: string;
}

/** How many faces are in memory at once. */
const BATCH = 64;

/** Refuses an output folder that holds something, or that lies in the input or around it. */
async function checkFolders(input: string, output: string): Promise<void> {
  const entries = await readdir(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new PetalfaceError("PETAL_OUTPUT_FAILED", `cannot use ${output} as the output folder: ${error.message}`, {
      cause: error,
    });
  });
  if (!entries.every(isLitter))
    throw new PetalfaceError("PETAL_OUTPUT_EXISTS", `${output} is not empty: name a new folder for the degraded faces`);
  const from = await realpath(input).catch(() => undefined);
  if (from === undefined) return;
  const inside = relative(from, resolve(output));
  if (inside === "" || (!inside.startsWith("..") && inside !== resolve(output)))
    throw new PetalfaceError("PETAL_OPTION_UNFIT", `${output} lies in ${input}: name a folder outside of it`);
}

/** Output file of every sample, below the output folder whatever the ids look like, and unique. */
function outputNames(data: FaceData): (index: number) => string {
  const taken = new Map<string, number>();
  const plain = (id: string): string =>
    plainName(id)
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

/**
 * Writes the copies, all or none; returns how many. Faces that cannot be read are counted by the
 * tally.
 */
async function copyFaces(
  task: {
    readonly data: FaceData;
    readonly loader: Loader;
    readonly spec: DegradationSpec;
    readonly output: string;
    readonly tally: Tally;
  },
  context: CliContext,
): Promise<number> {
  const { data, loader, spec, output, tally } = task;
  const { drawDegradation } = await import("../../../images/index.ts");
  const nameOf = outputNames(data);
  await using copies = await openFileSet(output);
  const progress = context.progress("degrading", data.length, "faces");
  let written = 0;
  try {
    for (let start = 0; start < data.length; start += BATCH) {
      context.signal.throwIfAborted();
      const samples = Array.from({ length: Math.min(BATCH, data.length - start) }, (_, i) => data.at(start + i));
      const bad = new Set<number>();
      tally.tried(samples.length);
      const planes = await loader.load(
        samples.map(({ source, id }) => ({ source, flip: false, degrade: drawDegradation(spec, id) })),
        (index, { message }) => {
          bad.add(index);
          tally.bad(message);
        },
      );
      const bytes = 3 * loader.size ** 2;
      await Promise.all(
        samples.map(async (_, i) => {
          if (bad.has(i)) return;
          const png = await encodePng(planes.subarray(i * bytes, (i + 1) * bytes), loader.size);
          await copies.write(nameOf(start + i), png);
          written++;
        }),
      );
      progress.update(start + samples.length);
    }
    await copies.finish();
  } finally {
    progress.close();
  }
  return written;
}

async function fitCrops(data: FaceData, crops: string, options: DegradeOptions, context: CliContext): Promise<Fit> {
  const { fitOn } = await import("./fit.ts");
  return await fitOn(data, await openFaces(crops, options, context), options.seed, context);
}

const fittedNumbers = ({ distance, chance, presets, crops, faces }: Fit) => ({
  ...{ distance, chance, presets, crops, faces },
});

/** For people: the spec, how well it fits, and what to do with it. */
function fitLines({ distance, chance, presets, crops, faces }: Fit, spec: string): string[] {
  const others = Object.entries(presets).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  return [
    `fitted on ${crops} crops and ${faces} sharp faces:`,
    spec,
    `distance to the crops ${distance.toFixed(2)} (${others.join(", ")}; two halves of the crops ${chance.toFixed(2)})`,
    printCommand(`adapt --model MODEL --train FACES --degrade "13*down=8-24/8*${spec}" --out RUN`),
  ];
}

async function run(
  input: string,
  output: string | undefined,
  options: DegradeOptions,
  context: CliContext,
): Promise<void> {
  if ((options.to === undefined) === (options.fit === undefined))
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give --to SPEC, or --fit CROPS to estimate a spec");
  if (output === undefined && options.sheet === undefined && options.fit === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "name a new folder for the copies, or a picture with --sheet FILE",
    );
  const { openLoader, parseDegradation, printDegradation } = await import("../../../images/index.ts");
  const wanted = options.to === undefined ? undefined : parseDegradation(options.to);
  await using _outputs = await claimOutputs([options.sheet], context, { inputs: [input] });
  const data = await openFaces(input, options, context);
  if (output !== undefined) await checkFolders(input, output);
  const fit = options.fit === undefined ? undefined : await fitCrops(data, options.fit, options, context);
  const spec = wanted ?? (fit?.spec as DegradationSpec);
  await using loader = openLoader({
    size: options.size,
    threads: Math.min(availableParallelism(), Math.ceil(data.length / BATCH)),
  });
  const { drawSheet } = await import("./sheet.ts");
  const tally = tallyOf(data);
  // Faces of the sheet are counted among the copies, where there are any.
  const counted = output === undefined ? tally : undefined;
  const sheet = options.sheet === undefined ? undefined : (fit ?? (await drawSheet(data, loader, spec, counted)));
  const faces = output === undefined ? data.length : await copyFaces({ data, loader, spec, output, tally }, context);
  if (sheet !== undefined && options.sheet !== undefined) await writeFileSafely(options.sheet, sheet.png);
  noteMoreLeftOut(data, tally.report(), context);
  const to = printDegradation(spec);
  context.result(
    {
      input,
      ...(output !== undefined && { output }),
      degradation: to,
      size: options.size,
      faces,
      leftOut: leftOutOf(data, tally.report()),
      ...(sheet && { sheet: options.sheet, ...("shown" in sheet && { shown: sheet.shown }) }),
      ...(fit && { fit: fittedNumbers(fit) }),
    },
    [
      ...(fit ? fitLines(fit, to) : []),
      ...(output === undefined ? [] : [`${faces} faces, ${to}, written to ${output}`]),
      ...(sheet === undefined
        ? []
        : "shown" in sheet
          ? [`${sheet.shown.length} faces under ${to} drawn in ${options.sheet}`]
          : [`crops of the camera (left) and simulated ones (right) drawn in ${options.sheet}`]),
    ].join("\n"),
  );
}

/**
 * `petalface degrade IN OUT --to lr:16`: a copy of a data set as a bad camera would have seen it.
 */
export function degradeCommand(program: Command, context: CliContext): void {
  const command = program
    .command("degrade")
    .description("write a degraded copy of a set of aligned faces, as from a bad camera, as PNG files")
    .argument("<in>", "folder, manifest, .rec, .bin, or synthetic[:people=N,images=M,seed=S]")
    .argument("[out]", "new folder for the copies; optional with --sheet")
    .option(
      "--to <spec>",
      "lr:PIXELS (reduced and enlarged again), or stages with ranges such as down=8-24:any,noise=0-10,jpeg=20-80 (docs/degradation.md)",
    )
    .option("--fit <crops>", "instead of --to: estimate the spec from aligned crops of your camera, without names")
    .option("--seed <n>", "seed of --fit", parseInteger("--seed", 0, 2 ** 31), 0)
    .option("--sheet <file>", "also write one PNG picture of some faces, each with several random draws of the spec")
    .option("--size <pixels>", "side of the faces written", parseInteger("--size", 8, 4096), 112)
    .action((input: string, output: string | undefined, options: DegradeOptions) =>
      run(input, output, options, context),
    );
  withDataOptions(command);
  withExamples(
    command,
    "degrade faces faces-16px --to lr:16",
    "degrade synthetic:people=5,images=2 drawn --to blur=0-2,down=8-24:any,shot=0-20,noise=0-10,jpeg=20-80",
    "degrade faces --to down=12-20,h264=24-38,up=any --sheet sheet.png",
    "degrade faces --fit crops --sheet camera.png",
  );
}
