import { type Command, InvalidArgumentError } from "commander";
import type { EnrolledCopies } from "../api/copies.ts";
import { PetalfaceError } from "../errors.ts";
import { type CopyWeight, defaultCopyWeight } from "../matching/index.ts";

/** What the options of enrolled copies ask for. */
export interface CopyFlags {
  readonly copyWeight?: CopyWeight | undefined;
}

/** Reads sizes such as `16,12`. */
function parseSizes(text: string): number[] {
  const sizes = text.split(",").map((part) => (/^\s*\d{1,5}\s*$/.test(part) ? Number(part) : Number.NaN));
  if (sizes.some(Number.isNaN)) throw new InvalidArgumentError("Write sizes in pixels as in 16,12.");
  return sizes;
}

function parseWeight(text: string): CopyWeight {
  if (text.trim() === "alpha") return "alpha";
  const weight = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(weight)) throw new InvalidArgumentError("Write a number such as 0.25, or alpha.");
  return weight;
}

/**
 * Adds the option that names the sizes of the copies, and `--copy-weight`.
 *
 * @param about what is enrolled, and what the weight is unless given
 */
export function withCopyOptions(
  command: Command,
  name: "--copies" | "--gallery-copies",
  about: { readonly sizes: string; readonly weight: string },
): Command {
  return command
    .option(`${name} <sizes>`, about.sizes, parseSizes)
    .option("--copy-weight <w|alpha>", about.weight, parseWeight);
}

/**
 * The copies that were asked for, or undefined where no sizes were given. Throws PetalfaceError
 * (wrong usage) for a weight without sizes.
 */
export function givenCopies(
  option: "--copies" | "--gallery-copies",
  sizes: readonly number[] | undefined,
  { copyWeight }: CopyFlags,
): EnrolledCopies | undefined {
  if (sizes !== undefined) return { sizes, weight: copyWeight };
  if (copyWeight === undefined) return undefined;
  throw new PetalfaceError(
    "PETAL_OPTION_INVALID",
    `--copy-weight weighs the copies of ${option}; give their sizes, such as ${option} 16,12`,
  );
}

/**
 * How `--gallery-copies` and `--copy-weight` enrol. Throws PetalfaceError (wrong usage).
 *
 * @param isAdapted whether the model has an adapter, which judges alpha
 */
export function galleryCopies(
  sizes: readonly number[] | undefined,
  flags: CopyFlags,
  isAdapted: boolean,
): EnrolledCopies | undefined {
  const given = givenCopies("--gallery-copies", sizes, flags);
  if (given?.weight === "alpha" && !isAdapted)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `--copy-weight alpha needs an adapter, which judges alpha; give --adapter, or a number such as ${defaultCopyWeight}`,
    );
  return given;
}
