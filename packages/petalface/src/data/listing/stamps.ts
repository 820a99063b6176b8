import { statSync } from "node:fs";
import { onDisk } from "../../disk-names.ts";
import { createNames, type Names } from "./names.ts";

/** What an index was made from: folders (or a manifest), and when each changed last. */
export interface Stamps {
  readonly paths: Names;
  /** Two numbers each: modification and change time in milliseconds, with fractions. */
  readonly times: Float64Array;
}

/** Collects {@link Stamps}. */
export function createStamps() {
  const paths = createNames();
  const times: number[] = [];
  return {
    /** Notes the times of a folder or file, before it is read. Throws where it is missing. */
    add(path: string): void {
      const { mtimeMs, ctimeMs } = statSync(onDisk(path));
      paths.push(path);
      times.push(mtimeMs, ctimeMs);
    },
    finish: (): Stamps => ({ paths: paths.finish(), times: Float64Array.from(times) }),
  };
}

/**
 * Whether nothing changed since. A file added to a folder, removed or renamed changes both times of
 * the folder; the change time cannot be set back by copying tools.
 */
export function unchanged({ paths, times }: Stamps): boolean {
  for (let at = 0; at < paths.length; at++) {
    const stats = statSync(onDisk(paths.at(at)), { throwIfNoEntry: false });
    if (stats?.mtimeMs !== times[2 * at] || stats?.ctimeMs !== times[2 * at + 1]) return false;
  }
  return true;
}

/** The latest of all times. */
export function latest({ times }: Stamps): number {
  return times.reduce((most, time) => Math.max(most, time), 0);
}
