import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { entriesOf, onDisk } from "../../disk-names.ts";

/**
 * A name by which it is looked up: Unicode writes many letters in two ways, composed (NFC, most
 * programs) and decomposed (NFD, macOS and what was copied from there), and people see no
 * difference. Both give the same key.
 */
export const nameKey = (name: string): string => (isPlain(name) ? name : name.normalize("NFC"));

/** ASCII has one way of writing only. */
const isPlain = (name: string): boolean => !/[^\0-\x7f]/.test(name);

/**
 * The first two of several names that differ in their Unicode form only.
 *
 * @returns undefined where there are none
 */
export function findTwoForms(names: Iterable<string>): readonly [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const name of names) {
    if (isPlain(name)) continue;
    const before = seen.get(nameKey(name));
    if (before !== undefined && before !== name) return [before, name];
    seen.set(nameKey(name), name);
  }
  return undefined;
}

/**
 * Finds files under the names that the disk has for them, where a list writes them in another
 * Unicode form.
 *
 * @param root folder that relative paths start from
 * @returns gives a path with `/` as the disk spells it; the path itself where there is such a file,
 * or none in any form
 */
export function createSpelling(root: string): (path: string) => string {
  const folders = new Map<string, ReadonlyMap<string, string>>();
  const namesIn = (folder: string): ReadonlyMap<string, string> => {
    let names = folders.get(folder);
    if (names === undefined) {
      names = new Map(listed(folder).map((name) => [nameKey(name), name]));
      folders.set(folder, names);
    }
    return names;
  };
  return (path) => {
    const place = isAbsolute(path) ? "" : root;
    if (isPlain(path) || existsSync(onDisk(isAbsolute(path) ? path : join(root, path)))) return path;
    const spelled: string[] = [];
    for (const part of path.split("/")) {
      const folder = join(place, `${spelled.join("/")}/`);
      const name = isPlain(part) || existsSync(onDisk(join(folder, part))) ? part : namesIn(folder).get(nameKey(part));
      if (name === undefined) return path;
      spelled.push(name);
    }
    return spelled.join("/");
  };
}

function listed(folder: string): string[] {
  try {
    return Array.from(entriesOf(folder), ({ name }) => name);
  } catch {
    return [];
  }
}
