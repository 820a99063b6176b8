import type { ChildProcess } from "node:child_process";
import { dirname } from "node:path";
import { start } from "../cli/process.ts";

/** `petalface serve` in a process of its own, which is killed with it. */
export interface ServerProcess extends Disposable {
  readonly child: ChildProcess;
  readonly address: string;
  /** What it has written to stderr. */
  stderr(): string;
}

/**
 * Starts `petalface serve` on a gallery of `makeGallery`, open and with an open gate, and waits for
 * the line with its address.
 */
export async function startProcess(
  gallery: string,
  flags: readonly string[] = [],
  env: Record<string, string | undefined> = {},
): Promise<ServerProcess> {
  const child = start(
    [
      ...["serve", "--gallery", gallery, "--open", "--port", "0", "--detector", "none", "--threads", "1"],
      ...["--min-alpha", "0", "--min-side", "1", ...flags],
    ],
    // A killed process leaves its temporary folders: here they go with the gallery.
    { env: { TMPDIR: dirname(gallery), ...env } },
  );
  let [stdout, stderr] = ["", ""];
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout?.on("data", (chunk) => {
      stdout += chunk;
      if (stdout.includes("\n")) resolve(stdout.trim());
    });
    child.on("exit", (code) => reject(new Error(`it ended with ${code}: ${stderr}`)));
  });
  return { child, address, stderr: () => stderr, [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

/** Resolves with the exit code once the process has ended. */
export const exited = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once("exit", resolve));
