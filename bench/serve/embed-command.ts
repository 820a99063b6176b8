import { spawn } from "node:child_process";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { wallSeconds } from "../skeleton/turns.ts";

/** `petalface embed` on folders with copies of one crop. */
export interface EmbedCommand {
  /**
   * Crops a second while it runs. It runs on a few crops and on many: the difference is without its
   * start and end.
   */
  rate(): Promise<number>;
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
  {
    program,
    model,
    crop,
    threads,
    more,
  }: Readonly<Record<"program" | "model" | "crop", string>> & {
    readonly threads: number;
    readonly more: number;
  },
): Promise<EmbedCommand> {
  const fill = async (name: string, count: number): Promise<string> => {
    const person = join(folder, name, "one person");
    await mkdir(person, { recursive: true });
    for (let at = 0; at < count; at++) await copyFile(crop, join(person, `${at}.jpg`));
    return join(folder, name);
  };
  const [short, long] = [await fill("few", few), await fill("many", few + more)];
  const seconds = (images: string): Promise<number> =>
    wallSeconds(
      () =>
        new Promise<void>((resolve, reject) => {
          const output = join(folder, "faces.npy");
          const flags = ["--model", model, "--images", images, "--out", output, "--threads", String(threads)];
          // No embedding may come from a run before.
          const child = spawn(process.execPath, [program, "embed", ...flags, "--no-cache", "--force"], {
            stdio: ["ignore", "ignore", "pipe"],
          });
          let text = "";
          child.stderr.on("data", (chunk) => {
            text += chunk;
          });
          child.on("error", reject);
          child.on("close", (code) =>
            code === 0 ? resolve() : reject(new Error(`embed ended with ${code}: ${text}`)),
          );
        }),
    );
  return {
    async rate() {
      const start = await seconds(short);
      return more / ((await seconds(long)) - start);
    },
  };
}
