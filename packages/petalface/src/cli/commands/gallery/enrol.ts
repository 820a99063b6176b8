import type { Command } from "commander";
import type { EnrolOptions, GivenEnrolment } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { printPath } from "../../../images/index.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
import { parseInteger } from "../../options.ts";
import { plainTable } from "../../table.ts";
import { alignedOption, withGateOptions } from "./decisions.ts";
import { type GalleryModelFlags, withGalleryModel } from "./model.ts";

/** Options of commands that enrol faces. */
export interface EnrolFlags
  extends GalleryModelFlags,
    DataFlags,
    Pick<EnrolOptions, "aligned" | "minAlpha" | "minSide" | "report"> {
  readonly keepUntil?: string;
  readonly retain?: number;
}

/** Adds {@link EnrolFlags}. */
export function withEnrolOptions(command: Command): Command {
  withGateOptions(command.addOption(alignedOption()))
    .option(
      "--keep-until <date>",
      "date after which `gallery remove --expired` deletes these faces, such as 2030-01-31",
    )
    .option("--retain <days>", "the same in days from now", parseInteger("--retain", 1, 36_500))
    .option("--report <file.html>", "write what the gate refuses as an HTML page with pictures");
  return withDataOptions(withGalleryModel(command));
}

/** What the library calls these flags. */
export const enrolOptions = (flags: EnrolFlags): EnrolOptions => ({
  ...flags,
  ...leftOutOptions(flags),
  keepUntil: keepUntilOf(flags),
});

/** The last moment of the date that faces may be kept until; undefined: until they are removed. */
function keepUntilOf({ keepUntil, retain }: Pick<EnrolFlags, "keepUntil" | "retain">): string | undefined {
  if (keepUntil !== undefined && retain !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give --keep-until or --retain, not both");
  if (retain !== undefined) return new Date(Date.now() + retain * 86_400_000).toISOString();
  if (keepUntil === undefined) return undefined;
  const date = new Date(`${keepUntil}T23:59:59.999Z`);
  // A date that is none, such as February 30, becomes another one.
  if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== keepUntil)
    throw new PetalfaceError("PETAL_OPTION_INVALID", `--keep-until is a date YYYY-MM-DD, not ${keepUntil}`);
  return date.toISOString();
}

/** Refusals that are listed one by one. */
const listed = 20;

/**
 * What was enrolled and what was not, for people to read.
 *
 * @param forced whether what the gate refuses was enrolled all the same
 */
export function describeEnrolment(
  path: string,
  { enrolment: { added, people, known, refused }, left }: GivenEnrolment,
  { report, forced }: { readonly report: string | undefined; readonly forced: boolean },
): string {
  const count = (number: number, one: string, more: string): string => `${number} ${number === 1 ? one : more}`;
  const lines = [
    `${count(added, "face", "faces")} enrolled in ${path}, ${count(people, "new person", "new people")}` +
      (known > 0 ? `; ${known} were there already` : ""),
  ];
  if (left.length > 0) {
    lines.push(`${count(left.length, "picture", "pictures")} without a face to enrol:`);
    lines.push(...left.slice(0, listed).map(({ id, reason }) => `  ${printPath(id)}: ${reason}`));
  }
  if (refused.length > 0) {
    const what = forced ? "enrolled against the gate's advice:" : "that the gate refuses (--force enrols them):";
    lines.push(`${count(refused.length, "face", "faces")} ${what}`);
    lines.push(
      plainTable(
        refused
          .slice(0, listed)
          .map(({ id, person, reason, like, cosine }) => [
            `  ${printPath(id)}`,
            person,
            reason + (like === undefined ? "" : `: ${like}, cosine ${cosine?.toFixed(3)}`),
          ]),
      ),
    );
    if (refused.length > listed) lines.push(`  and ${refused.length - listed} more (--json lists all)`);
  }
  if (report !== undefined) lines.push(`page: ${printPath(report)}`);
  return lines.join("\n");
}
