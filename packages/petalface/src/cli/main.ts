#!/usr/bin/env node

import { mkdirSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { cacheFolder } from "../cache.ts";
import { systemCode } from "../errors.ts";

/**
 * Why this Node cannot run this file's neighbours; undefined if it can. Sources say `await using`,
 * which the package's files do not.
 */
function unfit(version: string, fromSources: boolean): string | undefined {
  const oldest = fromSources ? 24 : 20;
  if (Number.parseInt(version, 10) >= oldest) return undefined;
  const where = fromSources ? "running from the sources" : "it";
  const instead = fromSources ? ", or use `npm run petalface -- ARGUMENTS`, which brings its own" : "";
  return `${where} needs Node ${oldest} or newer, and this is ${version}: install a newer Node${instead}`;
}

/**
 * Makes a folder and those above it. One by one: where the system says ENOENT for good (/proc),
 * Node's own way never ends.
 */
function isMade(folder: string): boolean {
  const attempt = (): string | undefined => {
    try {
      mkdirSync(folder);
      return undefined;
    } catch (error) {
      return systemCode(error);
    }
  };
  const code = attempt();
  if (code === "ENOENT" && dirname(folder) !== folder) return isMade(dirname(folder)) && attempt() === undefined;
  return code === undefined || code === "EEXIST";
}

const problem = unfit(process.versions.node, import.meta.url.endsWith(".ts"));
if (problem === undefined) {
  // Compiled code is kept and found again, here and in workers: the next command starts in a third
  // of the time.
  const folder = join(cacheFolder(), "code");
  if (process.env.NODE_COMPILE_CACHE === undefined && isMade(folder)) {
    process.env.NODE_COMPILE_CACHE = folder;
    module.enableCompileCache?.(folder);
  }
  const { main } = await import("./run.ts");
  await main(process.argv.slice(2));
} else {
  console.error(`petalface: ${problem}`);
  process.exitCode = 1;
}
