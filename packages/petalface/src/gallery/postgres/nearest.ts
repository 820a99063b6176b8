import { PetalfaceError } from "../../errors.ts";
import { type Candidate, nearestPeople } from "../candidate.ts";
import type { Database } from "./database.ts";
import { activeModel, halfVector } from "./rows.ts";

/** Most numbers of an embedding that pgvector's index takes in half precision. */
const widest = 4000;
/** Columns of the directions, and what their indexes are called. */
const columns = { faces: "unit", copies: "unit_copies" } as const;

/** Name of the index of a model. */
const indexName = (what: keyof typeof columns, model: number): string => `nearest_${what}_${model}`;

/**
 * Builds pgvector's index (HNSW) of the faces and of their copies; new faces then enter it when
 * they are added.
 */
export async function buildIndex(database: Database): Promise<void> {
  const { id, record } = await activeModel(database.shown, database);
  const { width } = record.space;
  if (width > widest)
    throw new PetalfaceError(
      "PETAL_MODEL_UNSUPPORTED",
      `${database.shown}: the index takes embeddings of at most ${widest} numbers, and these have ${width}`,
    );
  for (const what of ["faces", "copies"] as const)
    await database.query(
      `CREATE INDEX IF NOT EXISTS ${indexName(what, id)} ON embeddings
       USING hnsw ((${columns[what]}::halfvec(${width})) halfvec_cosine_ops) WITH (m = 16, ef_construction = 128)
       WHERE model = ${id}`,
    );
}

/**
 * The people of the nearest faces, or of the nearest copies, as the index finds them, nearest
 * first, each with the cosine of the nearest one.
 */
export async function nearest(
  database: Database,
  unit: Float32Array,
  what: keyof typeof columns,
  most: number,
): Promise<Candidate[]> {
  const { id, record } = await activeModel(database.shown, database);
  const { width } = record.space;
  const text = halfVector(unit);
  if (text === null) return [];
  return await database.transaction("snapshot", async (sql) => {
    const [built] = await sql.query("SELECT 1 FROM pg_class WHERE oid = to_regclass($1)", [indexName(what, id)]);
    if (built === undefined)
      throw new PetalfaceError(
        "PETAL_GALLERY_MISSING",
        `${database.shown} has no index for its model; build it with petalface gallery index ${database.shown}`,
      );
    await sql.query(`SET LOCAL hnsw.ef_search = ${most}`);
    const rows = await sql.query<{ readonly person: number; readonly distance: number }>(
      `SELECT person, distance FROM (
         SELECT face, ${columns[what]}::halfvec(${width}) <=> $1::halfvec(${width}) AS distance
         FROM embeddings WHERE model = ${id} AND ${columns[what]} IS NOT NULL ORDER BY distance LIMIT $2
       ) AS near JOIN faces ON faces.id = face ORDER BY distance`,
      [text, most],
    );
    return nearestPeople(rows.map(({ person, distance }) => ({ person, cosine: 1 - distance })));
  });
}
