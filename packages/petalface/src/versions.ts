import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The version of this package. */
export const packageVersion = (): string =>
  versionOf(readFileSync(fileURLToPath(new URL("../package.json", import.meta.url)), "utf8"));

const versionOf = (manifest: string): string => (JSON.parse(manifest) as { version: string }).version;

/** Versions of everything that can change a number: Node, petalface and the engine. */
export async function versions(): Promise<Record<string, string>> {
  const require = createRequire(import.meta.url);
  return {
    petalface: packageVersion(),
    node: process.versions.node,
    "onnxruntime-node": versionOf(await readFile(require.resolve("onnxruntime-node/package.json"), "utf8")),
  };
}

/** What git said first: the code of a process stays what it was when it was loaded. */
let commit: string | undefined;

/**
 * The commit of petalface's own repository, with `-dirty` where files differ from it. Undefined for
 * the installed package, which has its version alone, and where git is missing or cannot start.
 * Git is asked once in a thread. Never throws.
 *
 * @param git another program, which is always asked
 */
export async function sourceCommit(git?: string): Promise<string | undefined> {
  if (git !== undefined) return await describedBy(git);
  commit ??= await describedBy("git");
  return commit;
}

async function describedBy(git: string): Promise<string | undefined> {
  const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
  const isRepository = await Promise.all([access(`${root}/.git`), access(`${root}/bench/main.ts`)]).then(
    () => true,
    () => false,
  );
  if (!isRepository) return undefined;
  const order = ["--no-optional-locks", "-C", root, "describe", "--always", "--dirty", "--exclude", "*", "--abbrev=12"];
  try {
    return (await promisify(execFile)(git, order)).stdout.trim();
  } catch {
    // Also thrown at once where the system has no memory for another process.
    return undefined;
  }
}
