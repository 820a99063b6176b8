import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** A part of the kept embeddings: `<name>.rows` and `<name>.keys`. */
export interface Segment {
  /** Path without ending. */
  readonly path: string;
  /** Bytes of both files. */
  readonly bytes: number;
  /** When it was last written or read from, in ms. */
  readonly used: number;
}

/** The segments of one model's folder, oldest use first; none where there is no folder. */
export async function listSegments(folder: string): Promise<Segment[]> {
  const names = await readdir(folder).catch(() => []);
  const segments = await Promise.all(
    names
      .filter((name) => name.endsWith(".rows"))
      .map(async (name): Promise<Segment | undefined> => {
        const path = join(folder, name.slice(0, -".rows".length));
        const [rows, keys] = await Promise.all(
          [".rows", ".keys"].map((ending) => stat(path + ending).catch(() => undefined)),
        );
        return rows && { path, bytes: rows.size + (keys?.size ?? 0), used: rows.mtimeMs };
      }),
  );
  return segments.filter((segment) => segment !== undefined).sort((a, b) => a.used - b.used);
}

/**
 * Removes segments, the longest unused first, until all models' together take at most `limit`
 * bytes. A process that reads one of them keeps it open where the system allows that, and computes
 * again what it cannot read otherwise.
 *
 * @param spare the folder of a model whose segments stay
 */
export async function evictSegments(root: string, limit: number, spare?: string): Promise<void> {
  const folders = (await readdir(root).catch(() => [])).map((name) => join(root, name));
  const segments = (await Promise.all(folders.map(listSegments))).flat().sort((a, b) => a.used - b.used);
  let total = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes } of segments) {
    if (total <= limit) return;
    if (spare !== undefined && path.startsWith(join(spare, "/"))) continue;
    // Keys first: rows without keys are nothing, keys without rows would be.
    await Promise.all([".keys", ".rows"].map((ending) => rm(path + ending, { force: true }).catch(() => {})));
    total -= bytes;
  }
}
