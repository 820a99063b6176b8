import { join } from "node:path";
import { expect } from "vitest";
import { petalface } from "./process.ts";

/**
 * Writes pictures of synthetic people, one folder a person: what galleries are filled with.
 *
 * @param set such as `synthetic:people=4,images=3,seed=5`
 * @param name of the new folder in `folder`
 */
export async function drawPhotos(folder: string, set: string, name = "faces"): Promise<void> {
  const packed = join("packed", name, "train.rec");
  for (const args of [
    ["data", "pack", set, "--out", packed, "--size", "32"],
    ["data", "unpack", packed, "--out", name],
  ])
    expect(await petalface(args, { cwd: folder })).toMatchObject({ code: 0 });
}
