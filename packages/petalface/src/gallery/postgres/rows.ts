import { PetalfaceError } from "../../errors.ts";
import { normaliseRows } from "../../matching/index.ts";
import { type EmbeddingRecord, parseRecord } from "../record.ts";
import { bytesOf, checkSum, type EmbeddingRow, readEmbedding, storedCopies, vectorsWriter } from "../rows.ts";
import type { ChosenFaces, EnrolledVectors, FaceEmbedding, FaceOwners } from "../types.ts";
import type { Queries } from "./database.ts";

/** A model of a gallery. */
export interface StoredModel {
  readonly id: number;
  readonly record: EmbeddingRecord;
}

/** The model that is searched with now. */
export async function activeModel(shown: string, sql: Queries): Promise<StoredModel> {
  const [found] = await sql.query<{ readonly id: number; readonly record: string }>(
    "SELECT id, record FROM models WHERE active",
  );
  if (found === undefined) throw new PetalfaceError("PETAL_GALLERY_DAMAGED", `${shown} is damaged: it names no model`);
  return { id: found.id, record: parseRecord(found.record) };
}

/** One entry of the audit log. */
export async function note(sql: Queries, action: string, person: number | null, faces: number): Promise<void> {
  const values = [new Date().toISOString(), action, person, faces];
  await sql.query("INSERT INTO audit (time, action, person, faces) VALUES ($1, $2, $3, $4)", values);
}

/**
 * Makes other writers of the gallery wait until this transaction has ended: ids then come in the
 * order in which faces become visible, as search in blocks needs it.
 */
export async function lockGallery(sql: Queries): Promise<void> {
  await sql.query("SELECT pg_advisory_xact_lock('settings'::regclass::oid::bigint)");
}

/** Check sums have 32 bits without a sign, and integers of PostgreSQL have one. */
export const signed = (sum: number): number => sum | 0;

/** Columns of an embedding, with the id of its person. */
export const embeddingColumns = "face, person, alpha, score, crc, vector, copies";

/** A row of {@link embeddingColumns}. */
export interface VectorRow extends EmbeddingRow {
  readonly person: number;
}

/** Reads a row. Throws PetalfaceError where its bytes are not those that were written. */
export const readRow = (shown: string, row: EmbeddingRow, width: number): FaceEmbedding =>
  readEmbedding(shown, { ...row, crc: row.crc >>> 0 }, width);

/** Rows as one array. */
export function collectRows(shown: string, rows: readonly VectorRow[], width: number): EnrolledVectors {
  const writer = vectorsWriter(width, rows.length);
  for (const row of rows) writer.put(row.face, row.person, readRow(shown, row, width));
  return writer.finish();
}

/** Rows that are fetched at once. */
const atOnce = 1000;

/** What one model made of the faces with ids above `after`; within a snapshot. */
export async function readVectors(
  shown: string,
  sql: Queries,
  { id, record }: StoredModel,
  after = -1,
): Promise<EnrolledVectors> {
  const { width } = record.space;
  const [all] = await sql.query<{ readonly count: number }>(
    "SELECT count(*)::integer AS count FROM embeddings WHERE model = $1 AND face > $2",
    [id, after],
  );
  const writer = vectorsWriter(width, all?.count ?? 0);
  for (let last = after; ; ) {
    const rows = await readRange(sql, id, last, atOnce);
    for (const row of rows) writer.put(row.face, row.person, readRow(shown, row, width));
    const end = rows.at(-1);
    if (end === undefined) return writer.finish();
    last = end.face;
  }
}

/** The first `most` faces with ids above `after`. */
export const readRange = (sql: Queries, model: number, after: number, most: number): Promise<VectorRow[]> =>
  sql.query<VectorRow>(
    `SELECT ${embeddingColumns} FROM embeddings JOIN faces ON faces.id = face
     WHERE model = $1 AND face > $2 ORDER BY face LIMIT $3`,
    [model, after, most],
  );

/** Chosen faces, or those of chosen people. */
export async function readChosen(
  shown: string,
  sql: Queries,
  { id, record }: StoredModel,
  chosen: ChosenFaces,
): Promise<EnrolledVectors> {
  const [column, ids] = "faces" in chosen ? ["faces.id", chosen.faces] : ["person", chosen.people];
  const rows = await sql.query<VectorRow>(
    `SELECT ${embeddingColumns} FROM faces JOIN embeddings ON face = faces.id AND model = $1
     WHERE ${column} = ANY ($2::integer[]) ORDER BY faces.id`,
    [id, Array.from(ids)],
  );
  return collectRows(shown, rows, record.space.width);
}

/** Rows that are fetched at once where they are two numbers. */
const ownersAtOnce = 20_000;

/** The faces that a model has embedded; within a snapshot. */
export async function readOwners(sql: Queries, model: number): Promise<FaceOwners> {
  const [all] = await sql.query<{ readonly count: number }>(
    "SELECT count(*)::integer AS count FROM embeddings WHERE model = $1",
    [model],
  );
  const count = all?.count ?? 0;
  const out = { faces: new Int32Array(count), people: new Int32Array(count) };
  for (let [last, at] = [-1, 0]; at < count; ) {
    const rows = await sql.query<{ readonly face: number; readonly person: number }>(
      `SELECT face, person FROM embeddings JOIN faces ON faces.id = face
       WHERE model = $1 AND face > $2 ORDER BY face LIMIT $3`,
      [model, last, ownersAtOnce],
    );
    for (const { face, person } of rows) {
      out.faces[at] = face;
      out.people[at] = person;
      last = face;
      at++;
    }
  }
  return out;
}

/** Rows of one statement; a statement has at most 65,535 values. */
const rowsAtOnce = 200;

/**
 * Inserts rows, many in a statement. `rest` is what follows the values. Returns the rows that it
 * returns.
 */
export async function insertRows<Row>(
  sql: Queries,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly unknown[])[],
  rest: string,
): Promise<Row[]> {
  const out: Row[] = [];
  for (let start = 0; start < rows.length; start += rowsAtOnce) {
    const some = rows.slice(start, start + rowsAtOnce);
    const places = some.map(
      (_, row) => `(${columns.map((_, column) => `$${row * columns.length + column + 1}`).join(",")})`,
    );
    const text = `INSERT INTO ${table} (${columns.join(",")}) VALUES ${places.join(",")} ${rest}`;
    out.push(...(await sql.query<Row>(text, some.flat())));
  }
  return out;
}

/** A unit vector as pgvector reads it; null where it has no direction. */
export function halfVector(vector: Float32Array): string | null {
  const unit = normaliseRows(vector, vector.length);
  return unit.some((value) => value !== 0) ? `[${unit.join(",")}]` : null;
}

/** Writes what a model makes of some faces. */
export async function putEmbeddings(
  sql: Queries,
  model: number,
  embeddings: readonly (readonly [face: number, embedding: FaceEmbedding])[],
): Promise<void> {
  const columns = ["face", "model", "alpha", "score", "crc", "vector", "copies", "unit", "unit_copies"];
  const rows = embeddings.map(([face, embedding]) => {
    const { vector, copies, alpha, score } = embedding;
    const unit = halfVector(vector) ?? `[${new Float32Array(vector.length).join(",")}]`;
    return [
      ...[face, model, alpha, score, signed(checkSum(embedding)), bytesOf(vector), storedCopies(copies)],
      ...[unit, halfVector(copies)],
    ];
  });
  const others = columns.slice(2).map((name) => `${name} = excluded.${name}`);
  await insertRows(sql, "embeddings", columns, rows, `ON CONFLICT (model, face) DO UPDATE SET ${others.join(",")}`);
}
