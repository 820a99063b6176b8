import { basename, extname, join } from "node:path";
import type { Command } from "commander";
import { itemAt } from "onnx-grad";
import { leftOutOf, noteLeftOut } from "../../../api/data.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import type { FaceData, Sample } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { openFileSet } from "../../../files.ts";
import type { Pixels } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, openFaces, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { parseInteger } from "../../options.ts";

interface Flags extends DataFlags {
  readonly out: string;
  readonly sizes: number[];
  readonly most: number;
  readonly except: string[];
}

/**
 * `petalface copies`: low-resolution copies of enrolled photos, for products that keep several
 * photos of a person.
 */
export function copiesCommand(program: Command, context: CliContext): void {
  const command = withDataOptions(program.command("copies"))
    .description("write low-resolution copies of enrolled photos, as extra photos of each person")
    .argument("<people>", "folder with a folder of photos for each person, each photo a crop of one face")
    .requiredOption(
      "--out <folder>",
      "folder for the copies, a folder for each person; may be the folder of the photos",
    )
    .option("--sizes <pixels>", "sides of the copied faces, in pixels", parseSizes, [16, 12])
    .option("--most <n>", "photos of a person that are copied at each size", parseInteger("--most", 1, 10_000), 10_000)
    .option("--except <names>", "people's folders that are left out, such as train", parseNames, [])
    .action((people: string, flags: Flags) => run(people, flags, context));
  withExamples(
    command,
    "copies clips/faces --out clips/faces --except train",
    "copies people --out copies --sizes 24,16 --most 5",
  );
}

function parseSizes(text: string): number[] {
  const sizes = text.split(",").map((part) => (/^\s*\d{1,4}\s*$/.test(part) ? Number(part) : 0));
  if (!sizes.every((size) => size >= 2) || new Set(sizes).size < sizes.length)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `--sizes is a list of different sides of at least 2 pixels, such as 16,12, not ${text}`,
    );
  return sizes;
}

const parseNames = (text: string): string[] => text.split(",").map((name) => name.trim());

/** How copies are named, so that no copy is ever copied. */
const copyName = (id: string, size: number): string => `${basename(id, extname(id))}_${size}px.png`;
const isCopy = (id: string): boolean => /_\d+px\.png$/.test(id);

interface Copy {
  readonly source: string;
  readonly size: number;
  /** Below the folder of the copies. */
  readonly target: string;
}

async function run(people: string, flags: Flags, context: CliContext): Promise<void> {
  const data = await openFaces(people, flags, context);
  const copies = planCopies(data, flags);
  await using _outputs = await claimOutputs(
    copies.map(({ target }) => join(flags.out, target)),
    context,
    { inputs: [] },
  );
  const { decodePhoto } = await import("../../../images/index.ts");
  const { tallyOf } = await import("../../../data/index.ts");
  const tally = tallyOf(data);
  tally.tried(data.length);
  await using files = await openFileSet(flags.out);
  const progress = context.progress("copying", copies.length, "copies");
  const bad = new Set<string>();
  const small = new Set<string>();
  let written = 0;
  try {
    for (const [place, { source, size, target }] of copies.entries()) {
      context.signal.throwIfAborted();
      progress.update(place);
      const photo = bad.has(source) ? undefined : await decodePhoto(source).catch((error: Error) => error);
      if (photo instanceof Error) {
        bad.add(source);
        tally.bad(photo.message, "unreadable");
      }
      if (photo === undefined || photo instanceof Error) continue;
      const { pixels } = photo;
      if (Math.min(pixels.width, pixels.height) <= size) small.add(source);
      else {
        await files.write(target, await encode(await lowResolution(pixels, size)));
        written++;
      }
    }
    await files.finish();
  } finally {
    progress.close();
  }
  const left = tally.report();
  if (bad.size > 0) noteLeftOut(left, context);
  const photos = new Set(copies.map(({ source }) => source)).size;
  context.result(
    {
      out: flags.out,
      photos,
      copies: written,
      sizes: flags.sizes,
      small: small.size,
      leftOut: leftOutOf(data, left),
    },
    [
      `${written} copies of ${photos} photos at ${flags.sizes.join(" and ")} px written to ${flags.out}`,
      ...(small.size > 0 ? [`${small.size} photos are no larger than a copy and stay as they are`] : []),
      "a product that averages photos then weighs sharp photos and copies by their numbers",
    ].join("\n"),
  );
}

/**
 * Which photos are copied, at which sizes, and where to. Throws PetalfaceError where the set is no
 * folder of photos.
 */
function planCopies(data: FaceData, { sizes, most, except }: Flags): Copy[] {
  const missing = except.find((name) => !data.people.includes(name));
  if (missing !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", `--except ${missing}: ${data.spec} has no folder of that name`);
  const byPerson = new Map<number, Sample[]>();
  for (let index = 0; index < data.length; index++) {
    const sample = data.at(index);
    const name = data.people[sample.person];
    if (sample.source.kind !== "file" || name === undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `${data.spec}: give a folder with a folder of photos for each person`,
      );
    if (except.includes(name) || isCopy(sample.id)) continue;
    byPerson.set(sample.person, [...(byPerson.get(sample.person) ?? []), sample]);
  }
  return [...byPerson].flatMap(([person, samples]) => {
    const count = Math.min(samples.length, most);
    const chosen = Array.from({ length: count }, (_, i) => itemAt(samples, Math.floor((i * samples.length) / count)));
    return chosen.flatMap(({ id, source }) =>
      sizes.map((size) => ({
        source: source.kind === "file" ? source.path : "",
        size,
        target: join(itemAt(data.people, person), copyName(id, size)),
      })),
    );
  });
}

/**
 * The photo as a camera would show it whose face is `size` pixels on the shorter side, at its own
 * size again.
 */
async function lowResolution(pixels: Pixels, size: number): Promise<Pixels> {
  const { resize } = await import("../../../images/index.ts");
  const { width, height } = pixels;
  const factor = size / Math.min(width, height);
  const small = resize(pixels, Math.round(width * factor), Math.round(height * factor));
  return resize(small, width, height);
}

async function encode({ width, height, data }: Pixels): Promise<Buffer> {
  const { default: sharp } = await import("sharp");
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
