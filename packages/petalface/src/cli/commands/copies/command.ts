import type { Command } from "commander";
import { copyPhotos } from "../../../api/photo-copies.ts";
import { PetalfaceError } from "../../../errors.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
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

async function run(people: string, flags: Flags, context: CliContext): Promise<void> {
  const { out, sizes } = flags;
  const { photos, copies, small, leftOut } = await copyPhotos({ ...flags, ...leftOutOptions(flags), people }, context);
  context.result(
    { out, photos, copies, sizes, small, leftOut },
    [
      `${copies} copies of ${photos} photos at ${sizes.join(" and ")} px written to ${out}`,
      ...(small > 0 ? [`${small} photos are no larger than a copy and stay as they are`] : []),
      "a product that averages photos then weighs sharp photos and copies by their numbers",
    ].join("\n"),
  );
}
