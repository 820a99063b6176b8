import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { writeFileSafely } from "./files.ts";
import { versions } from "./versions.ts";

/**
 * Results about a model are computed again only where versions differ. They are computed again
 * without a message where the cache cannot be read or written.
 *
 * @param kind what was found out, as the name of a folder
 * @param sha256 of the model, hex
 * @param find finds it out; the result goes through JSON
 * @param isValid whether what a file holds is of this kind
 */
export async function remembered<T>(
  kind: string,
  sha256: string,
  find: () => Promise<T>,
  isValid: (value: unknown) => value is T,
): Promise<T> {
  const made = JSON.stringify(await versions());
  const folder = join(cacheFolder(), kind);
  const path = join(folder, `${sha256}.json`);
  const known = await readFile(path, "utf8")
    .then((text) => JSON.parse(text) as { made?: unknown; found?: unknown } | null)
    .catch(() => undefined);
  if (known?.made === made && isValid(known.found)) return known.found;
  const found = await find();
  await mkdir(folder, { recursive: true })
    .then(() => writeFileSafely(path, JSON.stringify({ made, found })))
    .catch(() => {});
  return found;
}

/** A list of strings, and nothing else. */
export const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === "string");
