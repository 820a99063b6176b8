import { spawn } from "node:child_process";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";

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

/** What the command does at its end: it writes its processor time in microseconds. */
const hook = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from "node:fs";
  import { isMainThread } from "node:worker_threads";
  if (isMainThread)
    process.on("exit", () => {
      const { user, system } = process.cpuUsage();
      writeSync(3, String(user + system));
    });
`)}`;

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
  /** Seconds of the clock and of the processor. */
  async function seconds(images: string): Promise<{ readonly wall: number; readonly processor: number }> {
    const output = join(folder, "faces.npy");
    const flags = ["--model", model, "--images", images, "--out", output, "--threads", String(threads)];
    const begin = performance.now();
    // No embedding may come from a run before.
    const args = ["--import", hook, program, "embed", ...flags, "--no-cache", "--force"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe", "pipe"] });
    const [errors, used] = [2, 3].map((place) => {
      const written = { text: "" };
      child.stdio[place]?.on("data", (chunk: Buffer) => {
        written.text += chunk;
      });
      return written;
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    if (code !== 0) throw new Error(`embed ended with ${code}: ${errors.text}`);
    return { wall: (performance.now() - begin) / 1000, processor: Number(used.text) / 1e6 };
  }
  return {
    async cost() {
      const [start, whole] = [await seconds(short), await seconds(long)];
      return {
        perSecond: more / (whole.wall - start.wall),
        processor: (1000 * (whole.processor - start.processor)) / more,
      };
    },
  };
}
