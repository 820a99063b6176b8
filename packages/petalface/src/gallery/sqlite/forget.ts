import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../print-path.ts";
import { fragmentBytes, fragmentsOf, type KeptOfFace, storedValues } from "../fragments.ts";
import type { Removal } from "../store.ts";
import { dropFromBlocks } from "./blocks.ts";
import { guard, transact } from "./driver.ts";
import { dropIndex, sweepIndex } from "./nearest.ts";
import { activeModel, note, type Statements } from "./statements.ts";

/**
 * A file of up to so many bytes is small: it is checked whole when it is opened, and written again
 * when something is deleted.
 */
export const smallBytes = 256 * 2 ** 20;
/**
 * Read at once when files are looked through. Each removal leaves a buffer of this size to garbage
 * collection for every file.
 */
const chunk = 2 ** 20;

/**
 * Deletes a person with faces, embeddings and crops, then rewrites the file without what was
 * deleted, and looks through the files for fragments of it.
 */
export function forgetPerson(path: string, database: DatabaseSync, sql: Statements, name: string): Removal {
  return forget(path, database, sql, name, undefined);
}

/** The same for some faces of a person; with the last one the person goes too. */
export function forgetFaces(
  path: string,
  database: DatabaseSync,
  sql: Statements,
  name: string,
  faces: readonly number[],
): Removal {
  return forget(path, database, sql, name, faces);
}

/**
 * Deletes the faces that were to be kept until a date before `now`, and people who have no others.
 */
export function forgetExpired(path: string, database: DatabaseSync, sql: Statements, now: string): Removal {
  return erase(path, database, sql, () => {
    const rows = sql.all<{ readonly id: number; readonly person: number }>(
      "SELECT id, person FROM faces WHERE keep_until < ? ORDER BY person, id",
      now,
    );
    const gone = new Map<number, number[]>();
    for (const { id, person } of rows) gone.set(person, [...(gone.get(person) ?? []), id]);
    return [...gone].map(([person, faces]) => ({ person, faces, action: "expire" }));
  });
}

/** @param chosen ids of faces; undefined: all, and the person */
function forget(
  path: string,
  database: DatabaseSync,
  sql: Statements,
  name: string,
  chosen: readonly number[] | undefined,
): Removal {
  return erase(path, database, sql, () => {
    const person = personOf(path, sql, name);
    const all = sql.all<{ readonly id: number }>("SELECT id FROM faces WHERE person = ?", person).map(({ id }) => id);
    const wanted = new Set(chosen);
    const faces = chosen === undefined ? all : all.filter((id) => wanted.has(id));
    return faces.length > 0 || chosen === undefined ? [{ person, faces, action: "remove" }] : [];
  });
}

/** Faces of one person that go. */
interface Going {
  readonly person: number;
  readonly faces: readonly number[];
  /** As the audit log calls it. */
  readonly action: string;
}

/** Deletes faces, and looks through the files for fragments of them. */
function erase(path: string, database: DatabaseSync, sql: Statements, choose: () => Going[]): Removal {
  const done = transact(path, database, () => {
    const model = activeModel(path, sql);
    const found: { values: Uint8Array[]; faces: number; people: number } = { values: [], faces: 0, people: 0 };
    for (const { person, faces, action } of choose()) {
      found.values.push(...storedValues(keptOf(sql, person, faces), model.record.space.width));
      dropFromBlocks(path, sql, model, faces);
      for (const id of faces) sql.run("DELETE FROM faces WHERE id = ?", id);
      const { changes } = sql.run(
        "DELETE FROM people WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM faces WHERE person = ?1)",
        person,
      );
      note(sql, action, person, faces.length);
      found.faces += faces.length;
      found.people += changes;
    }
    if (found.faces > 0) dropIndex(sql);
    return found;
  });
  sweepIndex(path, sql);
  const { faces, people } = done;
  if (faces + people === 0) return { faces, people, fragments: 0, found: 0 };
  const left = new Set(fragmentsOf(done.values).map((fragment) => fragment.toString("latin1")));
  const look = (): number => {
    const isThere = [path, `${path}-wal`, `${path}-journal`].map((file) => fragmentsIn(file, left));
    return new Set(isThere.flat()).size;
  };
  const isSmall = statSync(path).size <= smallBytes;
  if (isSmall) compactIfFree(path, database);
  // What SQLite deletes it overwrites (secure_delete), so a large file need not be written again.
  else emptyLog(path, database);
  let found = look();
  if (found > 0 && !isSmall) {
    compactIfFree(path, database);
    found = look();
  }
  return { faces, people, fragments: left.size, found };
}

/** Id of a person. Throws PetalfaceError where there is none of that name. */
export function personOf(path: string, sql: Statements, name: string): number {
  const person = sql.get<{ readonly id: number }>("SELECT id FROM people WHERE name = ?", name)?.id;
  if (person === undefined)
    throw new PetalfaceError(
      "PETAL_PERSON_UNKNOWN",
      `${printPath(path)} has no person called "${name}"; petalface gallery list names all`,
    );
  return person;
}

/** Moves what the log holds into the file, and empties it. */
function emptyLog(path: string, database: DatabaseSync): void {
  guard(path, () => database.exec("PRAGMA wal_checkpoint(TRUNCATE)"));
}

/** Writes the file again without what was deleted. */
export function compact(path: string, database: DatabaseSync): void {
  guard(path, () => {
    // First the log, so that the new pages come from the database alone; then the pages; then the
    // log of that.
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    // The new content is first written apart: to a file, since memory may be too small for it.
    database.exec("PRAGMA temp_store = FILE");
    try {
      database.exec("VACUUM");
    } finally {
      database.exec("PRAGMA temp_store = MEMORY");
    }
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  });
}

/**
 * The same after a change that is made and stays, where another process does not write meanwhile:
 * what it keeps from being written again is not the change's failure.
 */
export function compactIfFree(path: string, database: DatabaseSync): void {
  try {
    compact(path, database);
  } catch (error) {
    if (!(error instanceof PetalfaceError && error.code === "PETAL_BUSY")) throw error;
  }
}

/** All that is kept of faces, but of pictures that somebody else is enrolled with too. */
const keptOf = (sql: Statements, person: number, faces: readonly number[]): KeptOfFace[] =>
  sql.all<KeptOfFace>(
    `SELECT vector, copies, source, crop FROM faces JOIN embeddings ON face = faces.id
     WHERE person = ?1 AND faces.id IN (SELECT value FROM json_each(?2))
       AND source NOT IN (SELECT source FROM faces WHERE person <> ?1)`,
    person,
    JSON.stringify(faces),
  );

/** Which of the fragments a file holds; none where there is no file. */
function fragmentsIn(file: string, fragments: ReadonlySet<string>): string[] {
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch {
    return [];
  }
  const found = new Set<string>();
  const pieces = [...fragments].map((text) => [text, Buffer.from(text, "latin1")] as const);
  try {
    const buffer = Buffer.alloc(chunk + fragmentBytes);
    let kept = 0;
    for (;;) {
      const read = readSync(handle, buffer, kept, chunk, null);
      if (read === 0) break;
      const part = buffer.subarray(0, kept + read);
      for (const [text, piece] of pieces) if (!found.has(text) && part.includes(piece)) found.add(text);
      // What lies across the edge of two parts.
      kept = Math.min(part.length, fragmentBytes - 1);
      buffer.copyWithin(0, part.length - kept, part.length);
    }
  } finally {
    closeSync(handle);
  }
  return [...found];
}
