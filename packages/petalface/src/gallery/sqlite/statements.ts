import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../print-path.ts";
import { type EmbeddingRecord, parseRecord } from "../record.ts";
import { bytesOf, checkSum, storedCopies } from "../rows.ts";
import type { FaceEmbedding } from "../types.ts";
import { guard } from "./driver.ts";

/** Statements of one database, each prepared once; errors of SQLite as lines for users. */
export interface Statements {
  all<Row>(text: string, ...values: SQLInputValue[]): Row[];
  get<Row>(text: string, ...values: SQLInputValue[]): Row | undefined;
  /** One row at a time, for what need not fit in memory. */
  each<Row>(text: string, ...values: SQLInputValue[]): Generator<Row>;
  /** Returns the id of the row that was inserted, and how many rows changed. */
  run(text: string, ...values: SQLInputValue[]): { readonly id: number; readonly changes: number };
}

/** {@link Statements} of an open database. */
export function statements(path: string, database: DatabaseSync): Statements {
  const known = new Map<string, StatementSync>();
  const prepare = (text: string): StatementSync => {
    const found = known.get(text) ?? database.prepare(text);
    known.set(text, found);
    return found;
  };
  return {
    all: <Row>(text: string, ...values: SQLInputValue[]) => guard(path, () => prepare(text).all(...values)) as Row[],
    get: <Row>(text: string, ...values: SQLInputValue[]) =>
      guard(path, () => prepare(text).get(...values)) as Row | undefined,
    *each<Row>(text: string, ...values: SQLInputValue[]): Generator<Row> {
      // A statement of its own: another one with the same text may run meanwhile.
      const rows = guard(path, () => database.prepare(text).iterate(...values));
      try {
        for (;;) {
          const { done, value } = guard(path, () => rows.next());
          if (done) return;
          yield value as Row;
        }
      } finally {
        // Whoever stops early would otherwise keep the tables locked.
        rows.return?.();
      }
    },
    run(text, ...values) {
      const { lastInsertRowid, changes } = guard(path, () => prepare(text).run(...values));
      return { id: Number(lastInsertRowid), changes: Number(changes) };
    },
  };
}

/** A model of a gallery. */
export interface StoredModel {
  readonly id: number;
  readonly record: EmbeddingRecord;
}

/** The model that is searched with now. */
export function activeModel(path: string, sql: Statements): StoredModel {
  const found = sql.get<{ readonly id: number; readonly record: string }>(
    "SELECT id, record FROM models WHERE active = 1",
  );
  if (found === undefined)
    throw new PetalfaceError("PETAL_GALLERY_DAMAGED", `${printPath(path)} is damaged: it names no model`);
  return { id: found.id, record: parseRecord(found.record) };
}

/** Writes what a model makes of a face. */
export function putEmbedding(sql: Statements, face: number, model: number, embedding: FaceEmbedding): void {
  const { vector, copies, alpha, score } = embedding;
  sql.run(
    `INSERT OR REPLACE INTO embeddings (face, model, alpha, score, crc, vector, copies) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ...[face, model, alpha, score, checkSum(embedding), bytesOf(vector), storedCopies(copies)],
  );
}

/** Faces whose embeddings are deleted by one statement. */
const deletedAtOnce = 2048;

/**
 * Deletes a model with all that it made. A statement keeps the pages that it changes in memory
 * until it is done, so this is done by many.
 */
export function deleteModel(sql: Statements, model: number): void {
  for (;;) {
    const { changes } = sql.run(
      `DELETE FROM embeddings WHERE model = ?1
         AND face IN (SELECT face FROM embeddings WHERE model = ?1 ORDER BY face LIMIT ?2)`,
      ...[model, deletedAtOnce],
    );
    if (changes < deletedAtOnce) break;
  }
  sql.run("DELETE FROM models WHERE id = ?", model);
}

/** One entry of the audit log. */
export function note(sql: Statements, action: string, person: number | null, faces: number): void {
  const time = new Date().toISOString();
  sql.run("INSERT INTO audit (time, action, person, faces) VALUES (?, ?, ?, ?)", time, action, person, faces);
}
