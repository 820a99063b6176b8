import { rm } from "node:fs/promises";
import { join } from "node:path";
import { flags, petalface } from "../skeleton/children.ts";
import { photoFolder } from "./sample.ts";

/**
 * Seconds and peak of resident memory in bytes of `petalface align` on the sample; the better of
 * two runs.
 */
export async function measureSpeed(
  detector: string,
  work: string,
): Promise<{ readonly seconds: number; readonly peak: number }> {
  const out = join(work, "speed");
  const run = async () => {
    const used = await petalface(["align", photoFolder, ...flags({ out, detector, threads: 2 })]);
    await rm(out, { recursive: true, force: true });
    return used;
  };
  const [first, second] = [await run(), await run()];
  return first.seconds < second.seconds ? first : second;
}
