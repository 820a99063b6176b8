import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { flags, petalface } from "../skeleton/children.ts";

/** What embedding costs. */
export interface Cost {
  /** Embeddings a second. */
  readonly perSecond: number;
  /** Milliseconds of processor time of one embedding, all threads together. */
  readonly processor: number;
}

/** `petalface embed` on folders with copies of one crop. */
export interface EmbedCommand {
  /**
   * The cost while it runs. It runs on a few crops and on many: the difference is without its start
   * and end.
   */
  cost(): Promise<Cost>;
}

/** Crops of the short run: the model is loaded, and all threads have started. */
export const few = 64;

/**
 * Writes the two folders.
 *
 * @param more crops that the long run has in addition
 */
export async function prepareEmbedCommand(
  folder: string,
  { model, crop }: Readonly<Record<"model" | "crop", string>>,
  { threads, more }: Readonly<Record<"threads" | "more", number>>,
): Promise<EmbedCommand> {
  const fill = async (name: string, count: number): Promise<string> => {
    const person = join(folder, name, "one person");
    await mkdir(person, { recursive: true });
    for (let at = 0; at < count; at++) await copyFile(crop, join(person, `${at}.jpg`));
    return join(folder, name);
  };
  const [short, long] = [await fill("few", few), await fill("many", few + more)];
  // No embedding may come from a run before.
  const fixed = { out: join(folder, "faces.npy"), threads, "no-cache": true, force: true } as const;
  const run = (images: string) => petalface(["embed", ...flags({ model, images, ...fixed })]);
  return {
    async cost() {
      const [start, whole] = [await run(short), await run(long)];
      return {
        perSecond: more / (whole.seconds - start.seconds),
        processor: (1000 * (whole.processor - start.processor)) / more,
      };
    },
  };
}
