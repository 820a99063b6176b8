/**
 * What a single-file petalface runs first. The file is Node with petalface and all of its packages
 * inside. Native libraries and worker threads can only be opened as files, so the packages are
 * unpacked once, into petalface's cache folder.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { getAsset, getRawAsset } from "node:sea";
import { pathToFileURL } from "node:url";
import { constants, Script } from "node:vm";
import { cacheFolder } from "../../packages/petalface/src/cache.ts";
import type { Packed } from "./build.ts";

/**
 * The folder that holds the unpacked packages of this very build. It appears whole, or not at all.
 */
function unpacked(): string {
  const { id, index } = JSON.parse(getAsset("about", "utf8")) as Packed;
  const all = join(cacheFolder(), "executable");
  const folder = join(all, id);
  if (existsSync(folder)) return folder;
  mkdirSync(all, { recursive: true });
  const unfinished = mkdtempSync(join(all, "unfinished-"));
  const content = new Uint8Array(getRawAsset("content") as ArrayBuffer);
  const folders = new Set<string>();
  let at = 0;
  for (const [name, bytes] of index) {
    const path = join(unfinished, name);
    if (!folders.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
    folders.add(dirname(path));
    writeFileSync(path, content.subarray(at, at + bytes));
    at += bytes;
  }
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another process was faster.
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/**
 * petalface starts further processes as `process.execPath SCRIPT ...`: such a script of its own is
 * run in place of the command line.
 */
function start(): Promise<unknown> {
  const folder = unpacked();
  const [executable = process.execPath, , ...args] = process.argv;
  const [first = ""] = args;
  const isScript = first.startsWith(folder + sep) && first.endsWith(".js");
  const script = isScript ? first : join(folder, "node_modules", "petalface", "dist", "cli", "main.js");
  process.argv = [executable, script, ...(isScript ? args.slice(1) : args)];
  // The plain `import` of a single file knows Node's own modules only. Node warns that this way to
  // the usual one is new.
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    const load = new Script(`import(${JSON.stringify(pathToFileURL(script).href)})`, {
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
    return load.runInThisContext() as Promise<unknown>;
  } finally {
    process.emitWarning = emitWarning;
  }
}

start().catch((error: unknown) => {
  console.error(
    `petalface: the single file could not start: ${error instanceof Error ? error.message : String(error)}`,
  );
  process.exitCode = 1;
});
