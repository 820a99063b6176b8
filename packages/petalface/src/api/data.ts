import {
  type FaceData,
  type FaceInMemory,
  joinInMemory,
  openData,
  printUnreadable,
  type Unreadable,
} from "../data/index.ts";
import { printPath } from "../images/index.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * Faces of a call: what the command line takes (a folder of one folder per person, a manifest, a
 * record file, a verification list, or `synthetic[:people=N,images=M,seed=S]`), images in memory,
 * or a set that is open already.
 */
export type Faces = string | readonly FaceInMemory[] | FaceData;

/** How much of a set may be missing. */
export interface LeftOutOptions {
  /**
   * Share of the images, in [0, 1], that may be left out because they cannot be read or have no
   * finite embedding; 0.05 unless given.
   */
  readonly mostLeftOut?: number | undefined;
}

/**
 * Opens the faces of a call, and notes what of them is left out already. Throws PetalfaceError
 * where there are none.
 */
export async function openFaces(
  faces: Faces,
  { mostLeftOut }: LeftOutOptions,
  { signal, note }: Pick<Surroundings, "signal" | "note">,
): Promise<FaceData> {
  const data =
    typeof faces === "string"
      ? await openData(faces, { signal, mostLeftOut })
      : "at" in faces && "fingerprint" in faces
        ? faces
        : await joinInMemory(faces, { mostLeftOut });
  if (data.nested !== undefined) note(nestedLine(data.nested));
  noteLeftOut(data.unreadable, { note });
  if (data.skipped)
    note(`${data.skipped} ${data.skipped === 1 ? "file is" : "files are"} no images and are passed over`);
  return data;
}

/** For people: how folders within folders are read. */
export const nestedLine = (folder: string): string =>
  `there are folders within people's folders, such as ${printPath(folder)}: the outermost folder is the person`;

/** Notes what was left out of a set beyond what {@link openFaces} has noted already. */
export function noteMoreLeftOut(
  { unreadable }: FaceData,
  left: Unreadable | undefined,
  surroundings: Pick<Surroundings, "note">,
): void {
  if (left !== undefined && left.count > (unreadable?.count ?? 0)) noteLeftOut(left, surroundings);
}

/** Notes what was left out, if anything was. */
export function noteLeftOut(left: Unreadable | undefined, { note }: Pick<Surroundings, "note">): void {
  const line = left && printUnreadable(left);
  if (line !== undefined) note(line);
}

/** What of a set was left out, for JSON: images and why, and files that are no images. */
export function leftOutOf({ skipped = 0, unreadable }: FaceData, left = unreadable) {
  const { count = 0, notFinite = 0, tried = 0, first = [] } = left ?? {};
  return { count, notFinite, tried, first, otherFiles: skipped };
}
