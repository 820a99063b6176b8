import { readFile, writeFile } from "node:fs/promises";
import { completeLock, type Lock, missingOptional } from "./lock.ts";

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(await readFile(path, "utf8")) as Lock;
const missing = missingOptional(lock);
await writeFile(path, `${JSON.stringify(completeLock(lock), undefined, 2)}\n`);
console.log(`${missing.length} optional packages added${missing.map(({ name }) => `\n  ${name}`).join("")}`);
