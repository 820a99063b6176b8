import type { DatabaseSync } from "node:sqlite";
import { printPath } from "../../print-path.ts";
import { type EmbeddingRecord, givenUp, isSameModel, parseRecord } from "../record.ts";
import { type EmbeddingRow, readEmbedding } from "../rows.ts";
import type { BegunMigration, MigratingFace, Migration } from "../types.ts";
import { codesOf, renewBlocks } from "./blocks.ts";
import { snapshot, transact } from "./driver.ts";
import { compactIfFree } from "./forget.ts";
import { dropIndex, sweepIndex } from "./nearest.ts";
import { activeModel, deleteModel, note, putEmbedding, type Statements, type StoredModel } from "./statements.ts";
import { readChosen, readOwners, readVectors } from "./vectors.ts";

const without = "NOT EXISTS (SELECT 1 FROM embeddings AS new WHERE new.face = faces.id AND new.model = ?1)";

/** How many faces a new model has not embedded. */
const countMissing = (sql: Statements, next: number): number =>
  sql.get<{ readonly count: number }>(`SELECT count(*) AS count FROM faces WHERE ${without}`, next)?.count ?? 0;

/** How many faces a model has embedded. */
const countMade = (sql: Statements, model: number): number =>
  sql.get<{ readonly count: number }>("SELECT count(*) AS count FROM embeddings WHERE model = ?", model)?.count ?? 0;

/** A migration that was begun and is not finished. */
export function begunMigration(path: string, database: DatabaseSync, sql: Statements): BegunMigration | undefined {
  const found = sql.get<{ readonly id: number; readonly record: string }>(
    "SELECT id, record FROM models WHERE active = 0",
  );
  if (found === undefined) return undefined;
  const record = parseRecord(found.record);
  const next = { id: found.id, record };
  return {
    record,
    count: async () => countMissing(sql, next.id),
    made: {
      record: async () => record,
      count: async () => countMade(sql, next.id),
      vectors: async () => readVectors(path, sql, next),
      codes: async (memory) =>
        snapshot(path, database, () => codesOf(path, sql, next, countMade(sql, next.id), memory)),
      read: async (chosen) => readChosen(path, sql, next, chosen),
    },
  };
}

/**
 * A {@link Migration}. One to the same model that was begun before continues; one to another model
 * is given up.
 */
export function openMigration(
  path: string,
  database: DatabaseSync,
  sql: Statements,
  record: EmbeddingRecord,
): Migration {
  const next = transact(path, database, (): StoredModel => {
    const begun = sql.all<{ readonly id: number; readonly record: string }>(
      "SELECT id, record FROM models WHERE active = 0",
    );
    let found: number | undefined;
    for (const { id, record: text } of begun)
      if (isSameModel(parseRecord(text), record)) found = id;
      else deleteModel(sql, id);
    const id = found ?? sql.run("INSERT INTO models (record, active) VALUES (?, 0)", JSON.stringify(record)).id;
    return { id, record };
  });
  return {
    count: async () => countMissing(sql, next.id),
    async missing(after, most) {
      const old = activeModel(path, sql);
      const rows = sql.all<EmbeddingRow & Pick<MigratingFace, "id" | "source" | "crop">>(
        `SELECT faces.id, source, crop, face, alpha, score, crc, vector, copies
         FROM faces JOIN embeddings ON face = faces.id AND model = ?2
         WHERE faces.id > ?3 AND ${without} ORDER BY faces.id LIMIT ?4`,
        ...[next.id, old.id, after, most],
      );
      const { width } = old.record.space;
      return rows.map((row) => ({
        id: row.id,
        source: row.source,
        crop: row.crop,
        old: readEmbedding(path, row, width),
      }));
    },
    async put(faces) {
      transact(path, database, () => {
        for (const { id, embedding } of faces) {
          const { width } = record.space;
          if (embedding.vector.length !== width || embedding.copies.length !== width)
            throw new Error(`an embedding of ${embedding.vector.length} numbers, not ${width}`);
          // Its person may have been removed meanwhile.
          const isThere = sql.get("SELECT 1 FROM faces WHERE id = ?", id) !== undefined;
          if (isThere) putEmbedding(sql, id, next.id, embedding);
        }
      });
    },
    owners: async () => readOwners(sql, next.id),
    read: async (chosen) => readChosen(path, sql, next, chosen),
    async finish() {
      const done = transact(path, database, () => {
        const own = sql.get<{ readonly active: number }>("SELECT active FROM models WHERE id = ?", next.id);
        if (own === undefined) throw givenUp(printPath(path));
        if (own.active === 1) return "before";
        if (countMissing(sql, next.id) > 0) return false;
        deleteModel(sql, activeModel(path, sql).id);
        sql.run("UPDATE models SET active = 1 WHERE id = ?", next.id);
        renewBlocks(path, sql, next);
        dropIndex(sql);
        const faces = sql.get<{ readonly count: number }>("SELECT count(*) AS count FROM faces")?.count ?? 0;
        note(sql, "migrate", null, faces);
        return true;
      });
      if (done === true) {
        sweepIndex(path, sql);
        compactIfFree(path, database);
      }
      return done !== false;
    },
  };
}
