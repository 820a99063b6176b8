import { link, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { PetalfaceError } from "../../errors.ts";
import { makeFolder, writeFailure } from "../../files.ts";
import { printPath } from "../../print-path.ts";
import type { EmbeddingRecord } from "../record.ts";
import type { GallerySettings } from "../types.ts";
import { guard, openDatabase } from "./driver.ts";
import { applicationId, formatVersion, pageBytes, schema } from "./schema.ts";

/**
 * Makes an empty gallery in a file. It appears under its name only when it is whole, and never over
 * another file.
 *
 * @throws PetalfaceError where there is a file already, or it cannot be written
 */
export async function createFile(path: string, record: EmbeddingRecord, settings: GallerySettings): Promise<void> {
  if (await exists(path)) throw taken(path);
  await using _folder = await makeFolder(dirname(path));
  const part = `${path}.${process.pid}.part`;
  await rm(part, { force: true }).catch((error: unknown) => {
    throw writeFailure(printPath(path), error);
  });
  try {
    const database = await openDatabase(part);
    try {
      guard(path, () => {
        database.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA application_id = ${applicationId}`);
        database.exec(`PRAGMA user_version = ${formatVersion}`);
        database.exec(`BEGIN; ${schema}`);
        const set = database.prepare("INSERT INTO settings (key, value) VALUES (?, ?)");
        for (const [key, value] of Object.entries(settings)) set.run(key, JSON.stringify(value));
        database.prepare("INSERT INTO models (record, active) VALUES (?, 1)").run(JSON.stringify(record));
        database
          .prepare("INSERT INTO audit (time, action, faces) VALUES (?, 'create', 0)")
          .run(new Date().toISOString());
        database.exec("COMMIT");
        // Readers then do not wait for the writer. The mode stays with the file.
        database.exec("PRAGMA journal_mode = WAL");
      });
    } finally {
      database.close();
    }
    await link(part, path).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "EEXIST" ? taken(path) : writeFailure(printPath(path), error);
    });
  } finally {
    for (const ending of ["", "-wal", "-shm", "-journal"]) await rm(part + ending, { force: true });
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const taken = (path: string): PetalfaceError =>
  new PetalfaceError(
    "PETAL_OUTPUT_EXISTS",
    `${printPath(path)} is there already, and a gallery is never replaced; give another name, or delete it yourself`,
  );
