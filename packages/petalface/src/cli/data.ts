import type { Command } from "commander";
import { type FaceData, openData, printUnreadable, type Unreadable } from "../data/index.ts";
import { PetalfaceError } from "../errors.ts";
import { printPath } from "../images/index.ts";
import type { CliContext } from "./context.ts";

/** Options of commands that read a set of faces. */
export interface DataFlags {
  /** Share of the images that may be left out. */
  readonly maxLeftOut: number;
}

/** Adds what every command takes that reads a set of faces. */
export function withDataOptions(command: Command): Command {
  return command.option(
    "--max-left-out <percent>",
    "per cent of the images that may be left out because they cannot be read or have no finite embedding; more end the command",
    parsePercent,
    0.05,
  );
}

function parsePercent(text: string): number {
  const percent = text.trim() === "" ? Number.NaN : Number(text);
  if (!(percent >= 0 && percent <= 100))
    throw new PetalfaceError(`--max-left-out is a number of per cent from 0 to 100, not ${text}`, { exitCode: 2 });
  return percent / 100;
}

/** Opens a set of faces, and says what of it is left out already: on stderr here, in JSON by {@link leftOutOf}. */
export async function openFaces(
  spec: string,
  { maxLeftOut }: Pick<DataFlags, "maxLeftOut">,
  context: CliContext,
): Promise<FaceData> {
  const data = await openData(spec, { signal: context.signal, mostLeftOut: maxLeftOut });
  if (data.nested !== undefined) context.note(nestedLine(data.nested));
  noteLeftOut(data.unreadable, context);
  if (data.skipped)
    context.note(`${data.skipped} ${data.skipped === 1 ? "file is" : "files are"} no images and are passed over`);
  return data;
}

/** For people: how folders within folders are read. */
export const nestedLine = (folder: string): string =>
  `there are folders within people's folders, such as ${printPath(folder)}: the outermost folder is the person`;

/** Says on stderr what was left out of a set beyond what {@link openFaces} has said already. */
export function noteMoreLeftOut({ unreadable }: FaceData, left: Unreadable | undefined, context: CliContext): void {
  if (left !== undefined && left.count > (unreadable?.count ?? 0)) noteLeftOut(left, context);
}

/** Says on stderr what was left out, if anything was. */
export function noteLeftOut(left: Unreadable | undefined, context: CliContext): void {
  const line = left && printUnreadable(left);
  if (line !== undefined) context.note(line);
}

/** What of a set was left out, for JSON: images and why, and files that are not images. */
export function leftOutOf({ skipped = 0, unreadable }: FaceData, left = unreadable) {
  const { count = 0, notFinite = 0, tried = 0, first = [] } = left ?? {};
  return { count, notFinite, tried, first, otherFiles: skipped };
}
