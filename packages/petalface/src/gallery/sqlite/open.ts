import { access, constants, stat } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import type { GalleryStore } from "../types.ts";
import { problemsOf } from "./check.ts";
import { guard, openDatabase } from "./driver.ts";
import { applicationId, formatVersion } from "./schema.ts";
import { sqliteStore } from "./store.ts";

/**
 * Up to so many bytes every page is looked at when a gallery is opened; of larger ones
 * `gallery check` does it.
 */
const smallBytes = 256 * 2 ** 20;

/**
 * Opens a gallery. Its pages are checked where the file is small (256 MiB), each embedding by its
 * own check sum whenever it is read.
 *
 * @throws PetalfaceError where it does not exist, is none, is damaged, or was made by a newer
 * petalface
 */
export async function openGallery(path: string): Promise<GalleryStore> {
  const entry = await stat(path).catch(() => undefined);
  const shown = printPath(path);
  if (entry === undefined)
    throw new PetalfaceError(`${shown} does not exist; make it with petalface gallery create ${shown} --model M`);
  if (!entry.isFile()) throw new PetalfaceError(`${shown} is not a file; give a gallery`, { exitCode: 2 });
  const writable = await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
  const database = await openDatabase(path, !writable);
  try {
    refuseOther(path, database);
    if (entry.size <= smallBytes) {
      const [first] = problemsOf(path, database, "quick_check(1)");
      if (first !== undefined)
        throw new PetalfaceError(
          `${shown} is damaged (${first}); restore it from a copy, or from an export (petalface gallery import)`,
        );
    }
    return sqliteStore(path, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

function refuseOther(path: string, database: DatabaseSync): void {
  const read = (name: string): unknown =>
    Object.values(guard(path, () => database.prepare(`PRAGMA ${name}`).get()) ?? {})[0];
  if (read("application_id") !== applicationId)
    throw new PetalfaceError(`${printPath(path)} is no gallery; give a file that petalface gallery create made`);
  const version = Number(read("user_version"));
  if (version > formatVersion)
    throw new PetalfaceError(
      `${printPath(path)} has format ${version}, and this petalface knows formats up to ${formatVersion}; use a newer petalface`,
    );
}
