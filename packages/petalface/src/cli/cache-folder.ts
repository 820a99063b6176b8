import { messageOf } from "../errors.ts";
import { proveWritable } from "../files.ts";
import { cacheFolder } from "../models/index.ts";
import { makeTemporary } from "../temporary.ts";
import type { CliContext } from "./context.ts";

/** Commands that keep things in the cache folder only to save time, and so work without one. */
const users: ReadonlySet<string> = new Set([
  "adapt",
  "align",
  "data",
  "pack",
  "unpack",
  "degrade",
  "demo",
  "embed",
  "evaluate",
  "export",
  "inspect",
  "quality",
  "create",
  "add",
  "search",
  "migrate",
]);

/**
 * Lets a command continue where the cache folder cannot be used (not writable, a file in its place,
 * a full disk): models that are fetched then lie in a temporary folder until the process ends, and
 * nothing else is kept. One line on stderr reports it.
 */
export async function prepareCache(command: string, context: Pick<CliContext, "note">): Promise<void> {
  if (!users.has(command)) return;
  const folder = cacheFolder();
  try {
    await proveWritable(folder);
  } catch (error) {
    const reason = messageOf(error);
    const { path } = await makeTemporary();
    process.env.PETALFACE_CACHE = path;
    process.env.PETALFACE_CACHE_GB = "0";
    process.env.PETALFACE_INDEX = "off";
    context.note(`note: ${reason}; going on without the cache (PETALFACE_CACHE names another folder)`);
  }
}
