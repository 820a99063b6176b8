import type { Command } from "commander";
import { type LeftOutOptions, openFaces as openFacesOf } from "../api/data.ts";
import type { Surroundings } from "../api/surroundings.ts";
import type { FaceData } from "../data/index.ts";
import { PetalfaceError } from "../errors.ts";

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
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `--max-left-out is a number of per cent from 0 to 100, not ${text}`,
    );
  return percent / 100;
}

/** What the library calls these flags. */
export const leftOutOptions = ({ maxLeftOut }: Pick<DataFlags, "maxLeftOut">): LeftOutOptions => ({
  mostLeftOut: maxLeftOut,
});

/** Opens a set of faces, and says on stderr what of it is left out already. */
export const openFaces = (
  spec: string,
  flags: Pick<DataFlags, "maxLeftOut">,
  context: Pick<Surroundings, "signal" | "note">,
): Promise<FaceData> => openFacesOf(spec, leftOutOptions(flags), context);
