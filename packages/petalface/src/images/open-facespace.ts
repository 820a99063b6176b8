import { fileURLToPath } from "node:url";
import { readSafetensors } from "../tensors/index.ts";
import { type FaceSpace, faceSpaceOf } from "./facespace.ts";

/** The file of the face space that comes with the package. */
export const faceSpacePath = fileURLToPath(new URL("../../assets/facespace/facespace.safetensors", import.meta.url));

/**
 * The package's face space, once it was asked for. It never changes, and each loader of a process
 * draws from it.
 */
let own: Promise<FaceSpace> | undefined;

/**
 * Loads a face space. The one that comes with the package is loaded once in a thread.
 *
 * @param path another file of the same layout
 * @throws PetalfaceError where the file is missing or damaged
 */
export function openFaceSpace(path?: string): Promise<FaceSpace> {
  if (path !== undefined) return load(path);
  own ??= load(faceSpacePath).catch((error: unknown) => {
    own = undefined;
    throw error;
  });
  return own;
}

const load = async (path: string): Promise<FaceSpace> => faceSpaceOf(await readSafetensors(path), path);
