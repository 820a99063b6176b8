import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A Python that a benchmark compares with. */
export interface Python {
  /** The interpreter. */
  readonly path: string;
  /** Name and version of each package of its requirements. */
  readonly versions: readonly string[];
  /**
   * Runs a program (a path, or its text after `-c`) and returns what it prints. Throws its last
   * lines if it fails.
   */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): string;
  /** The same, of a program whose last line is JSON. */
  json<T>(args: readonly string[]): T;
}

/**
 * A virtual environment with what a requirements.txt names, made in the folder unless it is there
 * with the same requirements already. It can be deleted at any time. Throws if a step fails.
 *
 * @param base the interpreter that the environment is made from
 */
export async function makePython(folder: string, base: string, requirements: string): Promise<Python> {
  const text = await readFile(requirements, "utf8");
  const wanted = createHash("sha256").update(text).digest("hex");
  const stamp = join(folder, "requirements.sha256");
  const path = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  if (!existsSync(stamp) || (await readFile(stamp, "utf8")) !== wanted) {
    const size = /^torch\b/m.test(text) ? " (about 6 GB)" : "";
    console.error(`making a Python environment in ${folder}${size} ...`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    run(base, ["-m", "venv", folder]);
    run(path, ["-m", "pip", "install", "--quiet", "--no-cache-dir", "-r", requirements]);
    await writeFile(stamp, wanted);
  }
  const versions = text.split("\n").filter((line) => line !== "");
  return {
    path,
    versions: versions.map((line) => line.replace("==", " ")),
    run: (args, env) => run(path, args, env),
    json: (args) => JSON.parse(run(path, args).trim().split("\n").at(-1) ?? ""),
  };
}

function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: { ...process.env, ...env },
  });
  if (error === undefined && status === 0) return stdout;
  const said = error?.message ?? `${stdout}${stderr}`.trim().split("\n").slice(-20).join("\n");
  throw new Error(`${program} ${args.map((arg) => arg.slice(0, 200)).join(" ")} failed:\n${said}`);
}
