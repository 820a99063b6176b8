import { open } from "node:fs/promises";
import { messageOf, PetalfaceError } from "../errors.ts";
import { refusePlaceholder } from "../placeholder.ts";
import { parseSafetensors } from "./safetensors.ts";
import type { Safetensors } from "./types.ts";

const largestRead = 2 ** 30;

/**
 * Reads a safetensors file whole.
 *
 * @throws PetalfaceError where the file is missing or breaks the format in any way (see
 * {@link parseSafetensors})
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    bytes = new Uint8Array(size);
    for (let filled = 0; filled < size; ) {
      const { bytesRead } = await file.read(bytes, filled, Math.min(size - filled, largestRead), filled);
      if (bytesRead === 0) throw new Error("it became shorter while being read");
      filled += bytesRead;
    }
  } catch (cause) {
    throw new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `cannot read ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
  refusePlaceholder(bytes, path);
  return parseSafetensors(bytes, path);
}
