import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { PetalfaceError } from "../errors.ts";
import { openFolder } from "./folder.ts";
import { openManifest } from "./manifest.ts";
import { openSynthetic } from "./synthetic.ts";
import type { FaceData } from "./types.ts";

/**
 * Opens a set of faces without reading any image.
 *
 * @param spec a folder of one folder per person; a flat folder of photos of unknown people; a manifest `.csv` or `.jsonl`;
 *   or `synthetic[:people=N,images=M,seed=S]`
 * @throws PetalfaceError where there is nothing, or something that is none of these
 */
export async function openData(spec: string): Promise<FaceData> {
  if (/^synthetic(:|$)/.test(spec)) return openSynthetic(spec);
  let isFolder: boolean;
  try {
    isFolder = (await stat(spec)).isDirectory();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const what = code === "ENOENT" || code === "ENOTDIR" ? "does not exist" : `cannot be read (${code})`;
    throw new PetalfaceError(
      `${spec || "the data folder"} ${what}; give a folder of faces, a manifest, or "synthetic"`,
      { cause },
    );
  }
  if (isFolder) return openFolder(spec);
  const extension = extname(spec).toLowerCase();
  if (extension === ".csv" || extension === ".jsonl" || extension === ".ndjson") return openManifest(spec);
  throw new PetalfaceError(`${spec} is neither a folder of faces nor a manifest (.csv, .jsonl)`);
}
