import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { printLicences, runtimePackages } from "./dependencies.ts";
import type { Lock } from "./lock.ts";

/**
 * `npm run licences`: the licences of all packages that petalface and onnx-grad bring; exit code 1
 * where one is not allowed.
 */
const lock = JSON.parse(
  await readFile(fileURLToPath(new URL("../package-lock.json", import.meta.url)), "utf8"),
) as Lock;
const { text, refused } = printLicences(runtimePackages(lock, ["packages/petalface", "packages/onnx-grad"]));
console.log(text);
for (const { name, licence } of refused)
  console.error(`${name}: licence ${licence} is not allowed (scripts/dependencies.ts)`);
if (refused.length > 0) process.exitCode = 1;
