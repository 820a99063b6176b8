import { stat } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { PetalfaceError, systemCode } from "../errors.ts";
import { printPath } from "../images/index.ts";
import { refusePlaceholderAt } from "../placeholder.ts";
import { dataOfIndex } from "./files.ts";
import { scanFolder } from "./folder.ts";
import { cachedIndex, type ScanOptions } from "./listing/cached.ts";
import { manifestExtensions, scanManifest } from "./manifest.ts";
import { openRecords } from "./records/open.ts";
import { openSynthetic } from "./synthetic.ts";
import type { FaceData } from "./types.ts";
import { openVerification } from "./verification.ts";

/**
 * Opens a set of faces without reading any image. The list of a large set is kept in the user's
 * cache folder (see {@link cachedIndex}), unless the environment variable PETALFACE_INDEX is `off`.
 *
 * @param spec a folder of one folder per person; a flat folder of photos of unknown people; a
 *   manifest `.csv` or `.jsonl`; a list of photos `.lst`; MXNet's RecordIO `.rec`, or a folder with
 *   `train.rec`; a verification list `.bin`; or `synthetic[:people=N,images=M,seed=S]`
 * @throws PetalfaceError where there is nothing, or something that is none of these
 */
export async function openData(spec: string, options: ScanOptions = {}): Promise<FaceData> {
  if (/^synthetic(:|$)/.test(spec)) return { ...openSynthetic(spec), mostLeftOut: options.mostLeftOut };
  let isFolder: boolean;
  try {
    isFolder = (await stat(spec)).isDirectory();
  } catch (cause) {
    const code = systemCode(cause);
    const what = code === "ENOENT" || code === "ENOTDIR" ? "does not exist" : `cannot be read (${code})`;
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `${printPath(spec) || "the data folder"} ${what}; give a folder of faces, a manifest, or "synthetic"`,
      { cause },
    );
  }
  if (isFolder && (await isFile(join(spec, "train.rec")))) return openRecords(join(spec, "train.rec"), options);
  if (isFolder)
    return dataOfIndex(
      spec,
      spec,
      await cachedIndex(spec, spec, options, () => scanFolder(spec, options)),
      options.mostLeftOut,
    );
  const extension = extname(spec).toLowerCase();
  if (extension === ".rec") return openRecords(spec, options);
  if (extension === ".bin") return { ...(await openVerification(spec)), mostLeftOut: options.mostLeftOut };
  if (extension === ".idx") {
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${printPath(spec)} is the index of a record file; give the .rec next to it`,
    );
  }
  if (manifestExtensions.has(extension)) {
    const root = dirname(resolve(spec));
    return dataOfIndex(
      spec,
      root,
      await cachedIndex(spec, root, options, () => scanManifest(spec, options)),
      options.mostLeftOut,
    );
  }
  await refusePlaceholderAt(spec, printPath(spec));
  throw new PetalfaceError(
    "PETAL_DATA_UNFIT",
    `${printPath(spec)} is neither a folder of faces, a manifest (.csv, .jsonl, .lst), a record file (.rec) nor a verification list (.bin)`,
  );
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
