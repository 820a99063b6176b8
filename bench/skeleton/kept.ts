import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * What an earlier run left in a file, or what is made now and left there.
 *
 * @param asked what the result depends on: one that was made of something else is made again
 */
export async function kept<T extends object>(file: string, make: () => Promise<T>, asked?: string): Promise<T> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  const found = text === undefined ? undefined : (JSON.parse(text) as T & { readonly asked?: string });
  if (found !== undefined && found.asked === asked) return found;
  const made = await make();
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify({ ...made, asked }));
  return made;
}
