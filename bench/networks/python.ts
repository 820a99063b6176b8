import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

const ofNetworks = join(import.meta.dirname, "requirements.txt");

/**
 * A Python environment with what a requirements.txt names, made in the folder unless it is there
 * already. Returns its interpreter. That of the networks takes about 6 GB of disk: the registry's
 * PyTorch brings its GPU libraries along. Throws if a step fails.
 */
export async function makePython(folder: string, python: string, requirements = ofNetworks): Promise<string> {
  const wanted = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex");
  const stamp = join(folder, "requirements.sha256");
  const interpreter = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  if (existsSync(stamp) && (await readFile(stamp, "utf8")) === wanted) return interpreter;
  console.error(
    `making a Python environment with ${requirements}${requirements === ofNetworks ? " (about 6 GB)" : ""} ...`,
  );
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  runProgram(python, ["-m", "venv", folder]);
  runProgram(interpreter, ["-m", "pip", "install", "--quiet", "--no-cache-dir", "-r", requirements]);
  await writeFile(stamp, wanted);
  return interpreter;
}

/**
 * Runs a Python program, of this folder unless its path is whole; what it prints goes to stderr
 * only if it fails.
 */
export function runPython(interpreter: string, program: string, args: readonly string[]): void {
  runProgram(interpreter, [resolve(import.meta.dirname, program), ...args]);
}

/** The versions of the packages that requirements.txt names, `name version`. */
export async function pythonVersions(requirements = ofNetworks): Promise<string[]> {
  const lines = (await readFile(requirements, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line) => line.replace("==", " "));
}

function runProgram(program: string, args: readonly string[]): void {
  const { status, error, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (error === undefined && status === 0) return;
  const said = error?.message ?? `${stdout}${stderr}`.trim().split("\n").slice(-20).join("\n");
  throw new Error(`${program} ${args.join(" ")} failed:\n${said}`);
}
