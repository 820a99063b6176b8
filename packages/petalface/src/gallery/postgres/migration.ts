import { type EmbeddingRecord, givenUp, isSameModel, parseRecord } from "../record.ts";
import type { BegunMigration, MigratingFace, Migration } from "../types.ts";
import { codesOf, renewBlocks } from "./blocks.ts";
import type { Database, Queries } from "./database.ts";
import { rewriteTables } from "./forget.ts";
import {
  activeModel,
  lockGallery,
  note,
  putEmbeddings,
  readChosen,
  readOwners,
  readRow,
  readVectors,
  type VectorRow,
} from "./rows.ts";

const without = "NOT EXISTS (SELECT 1 FROM embeddings AS new WHERE new.face = faces.id AND new.model = $1)";

/** How many faces a model has not embedded. */
async function countMissing(sql: Queries, model: number): Promise<number> {
  const [row] = await sql.query<{ readonly count: number }>(
    `SELECT count(*)::integer AS count FROM faces WHERE ${without}`,
    [model],
  );
  return row?.count ?? 0;
}

/** A migration that was begun and is not finished. */
export async function begunMigration(database: Database): Promise<BegunMigration | undefined> {
  const [found] = await database.query<{ readonly id: number; readonly record: string }>(
    "SELECT id, record FROM models WHERE NOT active",
  );
  if (found === undefined) return undefined;
  const { id } = found;
  const { shown } = database;
  const record = parseRecord(found.record);
  return {
    record,
    count: () => countMissing(database, id),
    made: {
      record: async () => record,
      async count() {
        const [row] = await database.query<{ readonly count: number }>(
          "SELECT count(*)::integer AS count FROM embeddings WHERE model = $1",
          [id],
        );
        return row?.count ?? 0;
      },
      vectors: () => database.transaction("snapshot", (sql) => readVectors(shown, sql, { id, record })),
      codes: (memory) => database.transaction("snapshot", (sql) => codesOf(shown, sql, { id, record }, memory)),
      read: (chosen) => database.transaction("snapshot", (sql) => readChosen(shown, sql, { id, record }, chosen)),
    },
  };
}

/**
 * A {@link Migration}. One to the same model that was begun before continues; one to another model
 * is given up.
 */
export async function openMigration(database: Database, record: EmbeddingRecord): Promise<Migration> {
  const { shown } = database;
  const id = await database.transaction("write", async (sql) => {
    await lockGallery(sql);
    const begun = await sql.query<{ readonly id: number; readonly record: string }>(
      "SELECT id, record FROM models WHERE NOT active",
    );
    let found: number | undefined;
    for (const { id: model, record: text } of begun)
      if (isSameModel(parseRecord(text), record)) found = model;
      else await sql.query("DELETE FROM models WHERE id = $1", [model]);
    if (found !== undefined) return found;
    const [made] = await sql.query<{ readonly id: number }>(
      "INSERT INTO models (record, active) VALUES ($1, false) RETURNING id",
      [JSON.stringify(record)],
    );
    return made?.id ?? 0;
  });
  return {
    count: () => countMissing(database, id),
    async missing(after, most) {
      const old = await activeModel(shown, database);
      const rows = await database.query<VectorRow & Pick<MigratingFace, "source" | "crop">>(
        `SELECT face, person, source, crop, alpha, score, crc, vector, copies
         FROM faces JOIN embeddings ON face = faces.id AND model = $2
         WHERE faces.id > $3 AND ${without} ORDER BY faces.id LIMIT $4`,
        [id, old.id, after, most],
      );
      const { width } = old.record.space;
      return rows.map((row) => ({
        id: row.face,
        source: row.source,
        crop: row.crop,
        old: readRow(shown, row, width),
      }));
    },
    async put(faces) {
      const { width } = record.space;
      const wrong = faces.find(
        ({ embedding: { vector, copies } }) => vector.length !== width || copies.length !== width,
      );
      if (wrong !== undefined)
        throw new Error(`an embedding of ${wrong.embedding.vector.length} numbers, not ${width}`);
      await database.transaction("write", async (sql) => {
        // A person may have been removed meanwhile, and may not be while this is written.
        const there = await sql.query<{ readonly id: number }>(
          "SELECT id FROM faces WHERE id = ANY ($1::integer[]) FOR KEY SHARE",
          [faces.map((face) => face.id)],
        );
        const ids = new Set(there.map((row) => row.id));
        const kept = faces.filter((face) => ids.has(face.id));
        await putEmbeddings(
          sql,
          id,
          kept.map((face) => [face.id, face.embedding]),
        );
      });
    },
    owners: () => database.transaction("snapshot", (sql) => readOwners(sql, id)),
    read: (chosen) => database.transaction("snapshot", (sql) => readChosen(shown, sql, { id, record }, chosen)),
    async finish() {
      const done = await database.transaction("write", async (sql) => {
        await lockGallery(sql);
        const [own] = await sql.query<{ readonly active: boolean }>("SELECT active FROM models WHERE id = $1", [id]);
        if (own === undefined) throw givenUp(shown);
        if (own.active) return "before";
        if ((await countMissing(sql, id)) > 0) return false;
        await sql.query("DELETE FROM models WHERE active");
        await sql.query("UPDATE models SET active = true WHERE id = $1", [id]);
        await renewBlocks(shown, sql, { id, record });
        const [all] = await sql.query<{ readonly count: number }>("SELECT count(*)::integer AS count FROM faces");
        await note(sql, "migrate", null, all?.count ?? 0);
        return true;
      });
      if (done === true) await rewriteTables(database);
      return done !== false;
    },
  };
}
