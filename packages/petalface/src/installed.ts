/**
 * What to do where a part of the installation is missing or broken, for people: in a checkout
 * another way than where the package is installed.
 *
 * @param file address of a file of petalface; a source ends in `.ts`
 */
export function installAgain(file: string = import.meta.url): string {
  return file.endsWith(".ts")
    ? "run `npm ci` again on this machine"
    : "delete node_modules and run `npm install` on this machine";
}
