import { readFile } from "node:fs/promises";

/** A file of raw little-endian float32 numbers. */
export const readFloats = async (path: string): Promise<Float32Array<ArrayBuffer>> =>
  new Float32Array(new Uint8Array(await readFile(path)).buffer);
