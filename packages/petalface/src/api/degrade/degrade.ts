import { readdir, realpath } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { relative, resolve, sep } from "node:path";
import { type FaceData, type Tally, tallyOf } from "../../data/index.ts";
import { plainName } from "../../disk-names.ts";
import { PetalfaceError } from "../../errors.ts";
import { openFileSet, writeFileSafely } from "../../files.ts";
import { type DegradationSpec, drawDegradation, encodePng, type Loader, openLoader } from "../../images/index.ts";
import { isLitter } from "../../litter.ts";
import { type LeftOutOptions, leftOutOf, noteMoreLeftOut, openFaces } from "../data.ts";
import { claimOutputs } from "../outputs.ts";
import type { Surroundings } from "../surroundings.ts";
import { type Fit, fitOn } from "./fit.ts";
import { drawSheet, type SheetRow } from "./sheet.ts";

/** Which faces to degrade, how, and what to write. */
export interface DegradeRequest extends LeftOutOptions {
  readonly input: string;
  /** A new folder for the copies; none are written unless given. */
  readonly out?: string | undefined;
  /** The degradation, or a set of crops of the camera that it is fitted on. */
  readonly how: { readonly spec: DegradationSpec } | { readonly crops: string; readonly seed: number };
  /** File of a picture of some faces, each with several draws; or of the fit. */
  readonly sheet?: string | undefined;
  /** Side of the copies in pixels. */
  readonly size: number;
}

/** What {@link degradeFaces} did. */
export interface Degraded {
  readonly spec: DegradationSpec;
  /** Copies that were written; faces of the set where none were. */
  readonly faces: number;
  readonly leftOut: ReturnType<typeof leftOutOf>;
  readonly fit?: Fit | undefined;
  /** What the sheet shows, where it is not that of a fit. */
  readonly shown?: readonly SheetRow[] | undefined;
}

/** Degrades a set of faces as a bad camera would: `petalface degrade`. Throws PetalfaceError. */
export async function degradeFaces(request: DegradeRequest, surroundings: Surroundings): Promise<Degraded> {
  const { input, out, how, sheet, size } = request;
  await using _outputs = await claimOutputs([sheet], surroundings, { inputs: [input] });
  const data = await openFaces(input, request, surroundings);
  if (out !== undefined) await checkFolders(input, out);
  const fit =
    "spec" in how
      ? undefined
      : await fitOn(data, await openFaces(how.crops, request, surroundings), how.seed, surroundings);
  const spec = "spec" in how ? how.spec : fit?.spec;
  if (spec === undefined) throw new Error("a degradation is given or fitted");
  const threads = Math.min(availableParallelism(), Math.ceil(data.length / batch));
  await using loader = openLoader({ size, threads, faces: data.length });
  const tally = tallyOf(data);
  // Faces of the sheet are counted among the copies, where there are any.
  const counted = out === undefined ? tally : undefined;
  const drawn = sheet === undefined || fit !== undefined ? undefined : await drawSheet(data, loader, spec, counted);
  const faces =
    out === undefined ? data.length : await copyFaces({ data, loader, spec, output: out, tally }, surroundings);
  const picture = fit ?? drawn;
  if (sheet !== undefined && picture !== undefined) await writeFileSafely(sheet, picture.png);
  const left = tally.report();
  noteMoreLeftOut(data, left, surroundings);
  return { spec, faces, leftOut: leftOutOf(data, left), fit, shown: drawn?.shown };
}

/** How many faces are in memory at once. */
const batch = 64;

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
  context: Surroundings,
): Promise<number> {
  const { data, loader, spec, output, tally } = task;
  const nameOf = outputNames(data);
  await using copies = await openFileSet(output);
  const progress = context.progress("degrading", data.length, "faces");
  let written = 0;
  try {
    for (let start = 0; start < data.length; start += batch) {
      context.signal.throwIfAborted();
      const samples = Array.from({ length: Math.min(batch, data.length - start) }, (_, i) => data.at(start + i));
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
