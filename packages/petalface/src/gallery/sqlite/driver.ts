import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { type ErrorCode, PetalfaceError } from "../../errors.ts";
import { writeFailure } from "../../files.ts";
import { printPath } from "../../print-path.ts";

/** Milliseconds that a process waits for another one that writes, unless given. */
const usualPatience = 30_000;
/** From so many bytes of the log on, its content moves into the file. */
const logBytes = 4 * 2 ** 20;

/**
 * Node's own SQLite, loaded only where a gallery is opened. Throws PetalfaceError on a Node that
 * has none.
 */
export async function loadSqlite(): Promise<typeof import("node:sqlite")> {
  const { emitWarning } = process;
  try {
    // Node 22 calls the module experimental, once, on stderr, where commands print one line and no
    // other.
    process.emitWarning = (...args: unknown[]): void => {
      if (!String(args[0]).startsWith("SQLite is an experimental feature")) Reflect.apply(emitWarning, process, args);
    };
    return await import("node:sqlite");
  } catch (cause) {
    throw new PetalfaceError(
      "PETAL_PROGRAM_MISSING",
      `galleries need Node 22.13 or newer, and this is Node ${process.versions.node}; run petalface with a newer Node`,
      { cause },
    );
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** How a file is opened. */
export interface DatabaseOptions {
  readonly readOnly?: boolean | undefined;
  /** Milliseconds that it waits for another process that writes. */
  readonly patience?: number | undefined;
}

/** Opens a file of SQLite. Deleted content is overwritten, and each commit reaches the disk. */
export async function openDatabase(
  path: string,
  { readOnly = false, patience = usualPatience }: DatabaseOptions = {},
): Promise<DatabaseSync> {
  const { DatabaseSync } = await loadSqlite();
  const open = guard(path, () => new DatabaseSync(path, { readOnly }));
  try {
    guard(path, () => {
      open.exec(`PRAGMA busy_timeout = ${patience}`);
      open.exec("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL");
      const { page_size: pageBytes } = open.prepare("PRAGMA page_size").get() ?? {};
      // Each statement keeps the pages that it changes until it is done, which need no file.
      open.exec("PRAGMA temp_store = MEMORY");
      open.exec(`PRAGMA wal_autocheckpoint = ${Math.ceil(logBytes / Number(pageBytes ?? 4096))}`);
    });
  } catch (error) {
    open.close();
    throw error;
  }
  return open;
}

/** Runs work on a database. What goes wrong in SQLite becomes one line that says what to do. */
export function guard<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storeFailure(path, error);
  }
}

/** Does several changes as one: all of them, or none where it throws. */
export function transact<T>(path: string, database: DatabaseSync, work: () => T): T {
  return guard(path, () => {
    database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      // A full disk ends the transaction by itself.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  });
}

/**
 * Reads one state of the database with several statements, whatever other processes write
 * meanwhile.
 */
export function snapshot<T>(path: string, database: DatabaseSync, work: () => T): T {
  return guard(path, () => {
    database.exec("BEGIN");
    try {
      return work();
    } finally {
      database.exec("COMMIT");
    }
  });
}

/** Primary result codes of SQLite (sqlite.org/rescode.html) that users can do something about. */
const advice: Readonly<Record<number, readonly [ErrorCode, (path: string) => string]>> = {
  5: ["PETAL_BUSY", (path) => `${path} is being written by another process; wait for it, then try again`],
  8: [
    "PETAL_OUTPUT_FAILED",
    (path) => `cannot write ${path}: it is read-only; change its permissions, or mount it writable`,
  ],
  10: [
    "PETAL_GALLERY_DAMAGED",
    (path) => `${path} cannot be read or written (the system reports an error of the disk); copy what can be read`,
  ],
  11: [
    "PETAL_GALLERY_DAMAGED",
    (path) => `${path} is damaged; restore it from a copy, or from an export (petalface gallery import)`,
  ],
  14: ["PETAL_OUTPUT_FAILED", (path) => `cannot open ${path}; look at its permissions and those of its folder`],
  26: ["PETAL_GALLERY_DAMAGED", (path) => `${path} is no gallery; give a file that petalface gallery create made`],
};

const [diskError, diskFull] = [10, 13];

/** Bytes that SQLite takes at least: the file that its readers and writers share has so many. */
const leastBytes = 2 ** 15;

/** Whether there is no room for the least that SQLite writes. */
function isFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < leastBytes;
  } catch {
    return false;
  }
}

/**
 * The error of SQLite as one that the user can do something about; others come back as they are.
 */
function storeFailure(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return error;
  const shown = printPath(path);
  const code = error.errcode & 0xff;
  // Without room for its log SQLite only reports an error of the disk.
  if (code === diskFull || (code === diskError && isFull(dirname(path))))
    return writeFailure(shown, Object.assign(new Error("full"), { code: "ENOSPC" }));
  const [kind, line] = advice[code === 6 ? 5 : code] ?? [];
  const message = line?.(shown) ?? `${shown}: SQLite says "${error.message}"`;
  return new PetalfaceError(kind ?? "PETAL_GALLERY_DAMAGED", message, { cause: error });
}
