import { fork, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Measured, Usage } from "./measured.ts";

/**
 * The command line.
 *
 * @param installed folder that the packed package is installed in; undefined: the sources
 */
export const commandLine = (installed: string | undefined): string =>
  installed === undefined
    ? join(import.meta.dirname, "../../packages/petalface/src/cli/main.ts")
    : join(installed, "node_modules/petalface/dist/cli/main.js");

/** Settings of a process. */
export interface ChildOptions {
  readonly cwd?: string;
  /** Variables on top of this process's. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Looks at a running process, until `ended` says that it is over. */
export type Watch = (pid: number, ended: () => boolean) => Promise<void>;

/**
 * Runs the job of a benchmark (`job` of its definition) in a process of its own, so that memory,
 * threads and loaded models are its own. Throws what the job throws.
 */
export async function inProcess<T>(name: string, job: unknown, options: ChildOptions = {}): Promise<Measured<T>> {
  const begin = performance.now();
  const child = fork(join(import.meta.dirname, "../main.ts"), [name, "--job"], {
    env: { ...process.env, ...options.env },
    serialization: "advanced",
  });
  child.send(job as object);
  const answer = await new Promise<{ value: T; error?: string } & Usage>((resolve, reject) => {
    child.once("message", (message) => resolve(message as { value: T } & Usage));
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`a job of ${name} ended with ${signal ?? code}`)));
  });
  if (answer.error !== undefined) throw new Error(answer.error);
  const { value, peak, processor } = answer;
  return { value, peak, processor, seconds: (performance.now() - begin) / 1000 };
}

/** Options of a command, as it takes them; `true` is a switch. */
export const flags = (values: Readonly<Record<string, string | number | true>>): string[] =>
  Object.entries(values).flatMap(([name, value]) => [`--${name}`, ...(value === true ? [] : [String(value)])]);

/** What a program printed. */
interface Ended {
  readonly printed: string;
  /** From its launch to its end. */
  readonly seconds: number;
}

/** Runs a program of Node to its end. Throws what it says when it fails. */
export async function runNode(
  args: readonly string[],
  { cwd, env, watch }: ChildOptions & { readonly watch?: Watch | undefined } = {},
): Promise<Ended> {
  const begin = performance.now();
  const child = spawn(process.execPath, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const watched = watch?.(child.pid ?? 0, isOver);
  const [printed, said, code] = await Promise.all([text(child.stdout), text(child.stderr), ended, watched]);
  if (code !== 0) throw new Error(`${args.join(" ")}: ${printed}${said}`);
  return { printed, seconds: (performance.now() - begin) / 1000 };
}

/** Settings of a command. */
export interface CommandOptions extends ChildOptions {
  readonly watch?: Watch;
  /** Folder that the packed package is installed in; without it the sources run. */
  readonly installed?: string | undefined;
}

/**
 * Runs a command of petalface with `--json`; its document, and what it took. Throws what it says
 * when it fails.
 */
export async function petalface(
  args: readonly string[],
  { cwd, env, watch, installed }: CommandOptions = {},
): Promise<Measured<Readonly<Record<string, unknown>>>> {
  const file = join(tmpdir(), `petalface-bench-${randomUUID()}`);
  const program = ["--import", join(import.meta.dirname, "usage.ts"), commandLine(installed), ...args, "--json"];
  const { printed, seconds } = await runNode(program, {
    ...{ watch, env: { ...env, BENCH_USAGE: file } },
    ...(cwd !== undefined && { cwd }),
  });
  const used = JSON.parse(await readFile(file, "utf8")) as Usage;
  await rm(file);
  return { ...used, seconds, value: JSON.parse(printed) as Readonly<Record<string, unknown>> };
}
