/** Options of the library whose flag is not their name in small letters with hyphens. */
const otherFlags: Readonly<Record<string, string>> = {
  learningRate: "--lr",
  validateEvery: "--val-every",
  seeds: "--no-seeds",
};

/** Options that messages of the library name in quotes. */
const plainNames: ReadonlySet<string> = new Set([
  ...["adapter", "alpha", "data", "patience", "train", "val", "valData", "valPixels"],
]);

/** A message of the library with flags in place of the options that it names in quotes: `'learningRate'` becomes `--lr`. */
export const withFlags = (text: string): string =>
  text.replaceAll(/'([a-z][A-Za-z]*)'/g, (quoted, name: string) => flagOf(name) ?? quoted);

function flagOf(name: string): string | undefined {
  if (Object.hasOwn(otherFlags, name)) return otherFlags[name];
  return plainNames.has(name) ? `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}` : undefined;
}
