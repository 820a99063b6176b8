import { type ChildProcess, spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { invoke } from "../../src/cli/run.ts";

/** The command line's sources. */
export const commandSources = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/**
 * The command line that tests start: its sources in a few files (test/command-line.ts), which take
 * less time to load.
 */
export const commandLine = process.env.PETALFACE_TEST_COMMAND ?? commandSources;

/** A program of tests that test/command-line.ts writes next to the command line. */
export const testProgram = (name: string): string => join(dirname(commandLine), "programs", `${name}.js`);

/** What a process left behind. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command line in a process of its own. */
export function start(
  args: readonly string[],
  options: { env?: Record<string, string | undefined>; cwd?: string; program?: string } = {},
): ChildProcess {
  return spawn(process.execPath, [options.program ?? commandLine, ...args], {
    // Without a test's own word no embedding is kept: the developer's cache stays as it is.
    env: { PETALFACE_CACHE_GB: "0", ...process.env, ...options.env },
    cwd: options.cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Waits until a process has ended and its output is complete. */
export async function ended(child: ChildProcess): Promise<Ended> {
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

/** Runs the command line to its end, in a process of its own. */
export function petalfaceProcess(args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Ended> {
  return ended(start(args, options));
}

/** Commands that run in this process now, and whether one of them has moved its working folder. */
const here = { running: 0, moved: false };

/**
 * Runs the command line to its end: in this process, which saves a second each time; in one of its
 * own where it needs another environment, or another working folder while others run. What native
 * libraries print is seen in a process of its own only.
 */
export async function petalface(args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Ended> {
  const { cwd, env, program } = options;
  if (env !== undefined || program !== undefined || here.moved || (cwd !== undefined && here.running > 0))
    return petalfaceProcess(args, options);
  const home = process.cwd();
  here.running++;
  try {
    if (cwd !== undefined) {
      here.moved = true;
      process.chdir(cwd);
    }
    return await runHere(args);
  } finally {
    if (cwd !== undefined) {
      process.chdir(home);
      here.moved = false;
    }
    here.running--;
  }
}

async function runHere(args: readonly string[]): Promise<Ended> {
  const written = { stdout: "", stderr: "" };
  const collect = (name: "stdout" | "stderr") => ({
    write(text: string) {
      written[name] += text;
    },
  });
  const terminal = { stdout: collect("stdout"), stderr: collect("stderr") };
  const { run, report } = invoke(args, terminal, new AbortController().signal);
  const code = await run().catch(report);
  return { code, ...written };
}
