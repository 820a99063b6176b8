import { fileURLToPath } from "node:url";
import { readSafetensors } from "../tensors/index.ts";
import { type FaceSpace, faceSpaceOf } from "./facespace.ts";

/** The file of the face space that comes with the package. */
export const faceSpacePath = fileURLToPath(new URL("../../assets/facespace/facespace.safetensors", import.meta.url));

/**
 * Loads the face space that comes with the package.
 *
 * @param path another file of the same layout
 * @throws PetalfaceError where the file is missing or damaged
 */
export const openFaceSpace = async (path: string = faceSpacePath): Promise<FaceSpace> =>
  faceSpaceOf(await readSafetensors(path), path);
