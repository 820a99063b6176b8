import { closeSync, openSync, readSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import type { Removal } from "../types.ts";
import { guard, transact } from "./driver.ts";
import { note, type Statements } from "./statements.ts";

/** Bytes of one fragment that is looked for: long enough never to be there by chance. */
const fragmentBytes = 16;
/** Read at once when files are looked through. */
const chunk = 16 * 2 ** 20;

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

/** @param chosen ids of faces; undefined: all, and the person */
function forget(
  path: string,
  database: DatabaseSync,
  sql: Statements,
  name: string,
  chosen: readonly number[] | undefined,
): Removal {
  const { fragments, faces } = transact(path, database, () => {
    const person = personOf(path, sql, name);
    const all = sql.all<{ readonly id: number }>("SELECT id FROM faces WHERE person = ?", person).map(({ id }) => id);
    const wanted = new Set(chosen);
    const gone = chosen === undefined ? all : all.filter((id) => wanted.has(id));
    const found = fragmentsOf(sql, person, gone);
    if (gone.length === all.length) sql.run("DELETE FROM people WHERE id = ?", person);
    else for (const id of gone) sql.run("DELETE FROM faces WHERE id = ?", id);
    if (gone.length > 0 || chosen === undefined) note(sql, "remove", person, gone.length);
    return { fragments: found, faces: gone.length };
  });
  if (faces === 0 && chosen !== undefined) return { faces: 0, fragments: 0, found: 0 };
  compact(path, database);
  const left = new Set(fragments.map((fragment) => fragment.toString("latin1")));
  const isThere = [path, `${path}-wal`, `${path}-journal`].map((file) => fragmentsIn(file, left));
  return { faces, fragments: left.size, found: new Set(isThere.flat()).size };
}

/** Id of a person. Throws PetalfaceError where there is none of that name. */
export function personOf(path: string, sql: Statements, name: string): number {
  const person = sql.get<{ readonly id: number }>("SELECT id FROM people WHERE name = ?", name)?.id;
  if (person === undefined)
    throw new PetalfaceError(`${printPath(path)} has no person called "${name}"; petalface gallery list names all`);
  return person;
}

/** Writes the file again without what was deleted. */
export function compact(path: string, database: DatabaseSync): void {
  guard(path, () => {
    // First the log, so that the new pages come from the database alone; then the pages; then the
    // log of that.
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.exec("VACUUM");
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  });
}

/**
 * Pieces of all that is kept of some faces of a person: of each value the middle and the end, since
 * files of pictures begin alike. Pictures that somebody else is enrolled with too stay, and so are
 * not looked for.
 */
function fragmentsOf(sql: Statements, person: number, faces: readonly number[]): Buffer[] {
  const own = `person = ?1 AND faces.id IN (SELECT value FROM json_each(?2))
    AND source NOT IN (SELECT source FROM faces WHERE person <> ?1)`;
  const values = sql.all<{ readonly value: Uint8Array | null }>(
    `SELECT vector AS value FROM embeddings JOIN faces ON faces.id = face WHERE ${own}
     UNION ALL SELECT copies FROM embeddings JOIN faces ON faces.id = face WHERE ${own}
     UNION ALL SELECT source FROM faces WHERE ${own}
     UNION ALL SELECT crop FROM faces WHERE ${own}`,
    person,
    JSON.stringify(faces),
  );
  return values.flatMap(({ value }) => {
    if (value === null || value.length < fragmentBytes) return [];
    const starts = [Math.floor((value.length - fragmentBytes) / 2), value.length - fragmentBytes];
    return [...new Set(starts)]
      .map((start) => Buffer.from(value.subarray(start, start + fragmentBytes)))
      .filter((piece) => piece.some((byte) => byte !== piece[0]));
  });
}

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
