import { type Lock, placeOf } from "./lock.ts";

/** A package that is installed with ours. */
export interface Dependency {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
}

const allowed = new Set([
  "MIT",
  "ISC",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "Unlicense",
  "CC0-1.0",
  "BlueOak-1.0.0",
]);

/**
 * Licences that are not in the list, and why the package may be used all the same. By the start of
 * the name.
 */
const exceptions: readonly { readonly name: string; readonly licence: RegExp; readonly why: string }[] = [
  {
    name: "@img/sharp-",
    licence: /LGPL-3\.0-or-later/,
    why: "libvips as a shared library of its own, which a user may replace; nothing of it is part of our code",
  },
  { name: "spdx-exceptions", licence: /^CC-BY-3\.0$/, why: "a list of names of licences, which npm's tools read" },
];

/**
 * All packages that installing some workspaces brings, optional ones of other platforms included:
 * their dependencies and those of these, found as Node finds them.
 *
 * @param roots folders of workspaces in the lock file
 */
export const runtimePackages = (lock: Lock, roots: readonly string[]): Dependency[] =>
  [...runtimePlaces(lock, roots).values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

/** The same packages by their folders: `node_modules/NAME`, or inside another package's folder. */
export function runtimePlaces(lock: Lock, roots: readonly string[]): Map<string, Dependency> {
  const found = new Map<string, Dependency>();
  const visit = (place: string): void => {
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = lock.packages[place] ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const at = placeOf(lock, place, name);
      if (at === undefined || found.has(at)) continue;
      const { version = "", license = "unknown", link = false, resolved = "" } = lock.packages[at] ?? {};
      if (link) {
        if (!roots.includes(resolved)) visit(resolved);
        continue;
      }
      found.set(at, { name, version, licence: license });
      visit(at);
    }
  };
  for (const root of roots) visit(root);
  return found;
}

const isAllowed = (licence: string): boolean =>
  licence
    .replaceAll(/[()]/g, "")
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((part) => allowed.has(part)));

/**
 * A line for each package, with the reason where it is an exception; and the packages that may not
 * be used.
 */
export function printLicences(list: readonly Dependency[]): { readonly text: string; readonly refused: Dependency[] } {
  const refused: Dependency[] = [];
  const lines = list.map((each) => {
    const { name, version, licence } = each;
    if (isAllowed(licence)) return `${name} ${version}: ${licence}`;
    const exception = exceptions.find((known) => name.startsWith(known.name) && known.licence.test(licence));
    if (exception === undefined) refused.push(each);
    return `${name} ${version}: ${licence}${exception === undefined ? "" : ` (${exception.why})`}`;
  });
  return { text: lines.join("\n"), refused };
}
