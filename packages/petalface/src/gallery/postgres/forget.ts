import { PetalfaceError } from "../../errors.ts";
import { fragmentsOf, type KeptOfFace, storedValues } from "../fragments.ts";
import type { Removal } from "../store.ts";
import { dropFromBlocks } from "./blocks.ts";
import type { Database, Queries } from "./database.ts";
import { activeModel, lockGallery, note } from "./rows.ts";

/** Faces of one person that go. */
interface Going {
  readonly person: number;
  readonly faces: readonly number[];
  /** As the audit log calls it. */
  readonly action: string;
}

/** Deletes faces of a person; all, and the person, where none are chosen. */
export const forgetFaces = (database: Database, name: string, chosen?: readonly number[]): Promise<Removal> =>
  erase(database, async (sql) => {
    const person = await personOf(database.shown, sql, name);
    const all = await facesOf(sql, person);
    const wanted = new Set(chosen);
    const faces = chosen === undefined ? all : all.filter((id) => wanted.has(id));
    return faces.length > 0 || chosen === undefined ? [{ person, faces, action: "remove" }] : [];
  });

/**
 * Deletes the faces that were to be kept until a date before `now`, and people who have no others.
 */
export const forgetExpired = (database: Database, now: string): Promise<Removal> =>
  erase(database, async (sql) => {
    const rows = await sql.query<{ readonly person: number; readonly faces: number[] }>(
      "SELECT person, array_agg(id ORDER BY id) AS faces FROM faces WHERE keep_until < $1 GROUP BY person ORDER BY person",
      [now],
    );
    return rows.map(({ person, faces }) => ({ person, faces, action: "expire" }));
  });

/** Id of a person. Throws PetalfaceError where there is none of that name. */
export async function personOf(shown: string, sql: Queries, name: string): Promise<number> {
  const [found] = await sql.query<{ readonly id: number }>("SELECT id FROM people WHERE name = $1", [name]);
  if (found === undefined)
    throw new PetalfaceError(
      "PETAL_PERSON_UNKNOWN",
      `${shown} has no person called "${name}"; petalface gallery list names all`,
    );
  return found.id;
}

/** Ids of a person's faces. */
export async function facesOf(sql: Queries, person: number): Promise<number[]> {
  const rows = await sql.query<{ readonly id: number }>("SELECT id FROM faces WHERE person = $1 ORDER BY id", [person]);
  return rows.map(({ id }) => id);
}

async function erase(database: Database, choose: (sql: Queries) => Promise<Going[]>): Promise<Removal> {
  const { shown } = database;
  const done = await database.transaction("write", async (sql) => {
    await lockGallery(sql);
    const model = await activeModel(shown, sql);
    const found: { values: Uint8Array[]; faces: number; people: number } = { values: [], faces: 0, people: 0 };
    for (const { person, faces, action } of await choose(sql)) {
      found.values.push(...storedValues(await keptOf(sql, person, faces), model.record.space.width));
      await dropFromBlocks(shown, sql, model, faces);
      await sql.query("DELETE FROM faces WHERE id = ANY ($1::integer[])", [faces]);
      const gone = await sql.query(
        "DELETE FROM people WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM faces WHERE person = $1) RETURNING id",
        [person],
      );
      await note(sql, action, person, faces.length);
      found.faces += faces.length;
      found.people += gone.length;
    }
    return found;
  });
  const { faces, people } = done;
  if (faces + people === 0) return { faces, people, fragments: 0, found: 0 };
  const isSmall = await rewriteTables(database);
  // In large tables a look at every byte takes too long.
  const fragments = isSmall ? fragmentsOf(done.values) : [];
  return { faces, people, fragments: fragments.length, found: await countFound(database, fragments) };
}

/** Up to so many bytes the tables of a gallery are written again when something is deleted. */
const smallBytes = 256 * 2 ** 20;
const tables = ["people", "faces", "embeddings", "blocks"] as const;

/**
 * Frees the space of deleted rows. Small tables are written again without them; in large ones new
 * rows will overwrite them. Returns whether they were written again.
 */
export async function rewriteTables(database: Database, always = false): Promise<boolean> {
  const [size] = await database.query<{ readonly bytes: number }>(
    `SELECT (${tables.map((name) => `pg_total_relation_size('${name}')`).join(" + ")})::float8 AS bytes`,
  );
  const isSmall = always || (size?.bytes ?? 0) <= smallBytes;
  for (const name of tables) await database.query(`VACUUM ${isSmall ? "FULL" : ""} ${name}`);
  return isSmall;
}

/** All that is kept of faces, but of pictures that somebody else is enrolled with too. */
const keptOf = (sql: Queries, person: number, faces: readonly number[]): Promise<KeptOfFace[]> =>
  sql.query<KeptOfFace>(
    `SELECT vector, copies, source, crop FROM faces JOIN embeddings ON face = faces.id
     WHERE person = $1 AND faces.id = ANY ($2::integer[])
       AND source NOT IN (SELECT source FROM faces WHERE person <> $1)`,
    [person, faces],
  );

/** How many of the fragments some row still holds. */
async function countFound(database: Database, fragments: readonly Uint8Array[]): Promise<number> {
  let found = 0;
  for (const fragment of fragments) {
    const [row] = await database.query<{ readonly found: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM faces WHERE position($1::bytea IN source) > 0 OR position($1 IN crop) > 0)
         OR EXISTS (SELECT 1 FROM embeddings WHERE position($1 IN vector) > 0 OR position($1 IN copies) > 0)
         OR EXISTS (SELECT 1 FROM blocks WHERE position($1 IN sharp) > 0 OR position($1 IN copies) > 0) AS found`,
      [fragment],
    );
    if (row?.found) found++;
  }
  return found;
}
