import { access, constants, stat } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../print-path.ts";
import type { GalleryStore } from "../store.ts";
import { problemsOf } from "./check.ts";
import { type DatabaseOptions, guard, openDatabase, transact } from "./driver.ts";
import { smallBytes } from "./forget.ts";
import { applicationId, formatVersion, upgradeFrom1 } from "./schema.ts";
import { sqliteStore } from "./store.ts";

/** How a gallery in a file is opened. */
export interface FileOptions extends Pick<DatabaseOptions, "patience"> {
  /** Whether its pages are checked where the file is small (256 MiB); true unless given. */
  readonly check?: boolean | undefined;
}

/**
 * Opens a gallery in a file. Each embedding is checked by its own check sum whenever it is read.
 *
 * @throws PetalfaceError where it does not exist, is none, is damaged, or was made by a newer
 * petalface
 */
export async function openFile(path: string, { patience, check = true }: FileOptions = {}): Promise<GalleryStore> {
  const entry = await stat(path).catch(() => undefined);
  const shown = printPath(path);
  if (entry === undefined)
    throw new PetalfaceError("PETAL_GALLERY_MISSING", `${shown} does not exist; make it with petalface gallery create`);
  if (!entry.isFile()) throw new PetalfaceError("PETAL_OPTION_INVALID", `${shown} is not a file; give a gallery`);
  const writable = await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
  const database = await openDatabase(path, { readOnly: !writable, patience });
  try {
    refuseOther(path, database);
    if (check && entry.size <= smallBytes) {
      const [first] = problemsOf(path, database, "quick_check(1)");
      if (first !== undefined)
        throw new PetalfaceError(
          "PETAL_GALLERY_DAMAGED",
          `${shown} is damaged (${first}); restore it from a copy, or from an export (petalface gallery import)`,
        );
    }
    upgrade(path, database, writable);
    return sqliteStore(path, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

const readPragma = (path: string, database: DatabaseSync, name: string): unknown =>
  Object.values(guard(path, () => database.prepare(`PRAGMA ${name}`).get()) ?? {})[0];

/** Brings a gallery of an older format up to date. */
function upgrade(path: string, database: DatabaseSync, writable: boolean): void {
  const isOld = (): boolean => Number(readPragma(path, database, "user_version")) < formatVersion;
  if (!isOld()) return;
  if (!writable)
    throw new PetalfaceError(
      "PETAL_OUTPUT_FAILED",
      `${printPath(path)} has an older format and is read-only; make it writable and open it once, such as with petalface gallery list`,
    );
  transact(path, database, () => {
    // Another process may have done it meanwhile.
    if (isOld()) database.exec(`${upgradeFrom1}; PRAGMA user_version = ${formatVersion}`);
  });
}

function refuseOther(path: string, database: DatabaseSync): void {
  if (readPragma(path, database, "application_id") !== applicationId)
    throw new PetalfaceError(
      "PETAL_GALLERY_DAMAGED",
      `${printPath(path)} is no gallery; give a file that petalface gallery create made`,
    );
  const version = Number(readPragma(path, database, "user_version"));
  if (version > formatVersion)
    throw new PetalfaceError(
      "PETAL_GALLERY_DAMAGED",
      `${printPath(path)} has format ${version}, and this petalface knows formats up to ${formatVersion}; use a newer petalface`,
    );
}
