/** Writes petalface as one executable file for this machine: `npm run single-file`. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSingleFile } from "./build.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const ending = process.platform === "win32" ? ".exe" : "";
const out = join(root, "packed", `petalface-${process.platform}-${process.arch}${ending}`);
const { files, bytes } = await buildSingleFile(root, out);
console.log(`${out}: ${(bytes / 1e6).toFixed(0)} MB, ${files} files inside`);
