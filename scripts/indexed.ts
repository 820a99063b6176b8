import { spawnSync } from "node:child_process";
import { matchesGlob } from "node:path";
import { fileURLToPath } from "node:url";
import { numericKernels } from "./numeric-kernels.ts";

/**
 * `noUncheckedIndexedAccess` for all files but the numeric kernels: there `list[i]` is
 * `T | undefined` until it is checked. The compiler has this option for a whole project only, so
 * its errors are filtered by file.
 */
const root = fileURLToPath(new URL("..", import.meta.url));
const compiler = fileURLToPath(import.meta.resolve("typescript/package.json")).replace(/package\.json$/, "bin/tsc");

/**
 * The errors of one project, with paths from the root. A line that names no file belongs to the
 * error before it.
 */
function errorsOf(project: string): string[] {
  const flags = ["--noEmit", "--pretty", "false", "--noUncheckedIndexedAccess", "-p", project];
  const { stdout, error, status } = spawnSync(process.execPath, [compiler, ...flags], { cwd: root, encoding: "utf8" });
  if (error !== undefined || status === null) throw error ?? new Error(`tsc ended without a status for ${project}`);
  let counts = status !== 0;
  return stdout.split(/\r?\n/).filter((line) => {
    const file = /^(\S[^(]*)\(\d+,\d+\): error /.exec(line)?.[1];
    if (file !== undefined) counts = !numericKernels.some((glob) => matchesGlob(file, glob));
    return counts && line !== "";
  });
}

const errors = [".", "apps/studio", "apps/site"].flatMap(errorsOf);
for (const error of errors) console.error(error);
if (errors.length > 0) process.exitCode = 1;
