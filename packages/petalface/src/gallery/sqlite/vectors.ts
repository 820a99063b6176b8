import type { EnrolledVectors } from "../types.ts";
import { type EmbeddingRow, readEmbedding } from "./rows.ts";
import type { Statements, StoredModel } from "./statements.ts";

/** What one model made of the faces; of those with ids above `after`, where it is given. */
export function readVectors(path: string, sql: Statements, { id, record }: StoredModel, after = -1): EnrolledVectors {
  const { width } = record.space;
  // One statement, so that a writer between two cannot be seen by half.
  const rows = sql.each<EmbeddingRow & { readonly person: number; readonly count: number }>(
    `SELECT face, person, alpha, score, crc, vector, copies,
       (SELECT count(*) FROM embeddings WHERE model = ?1 AND face > ?2) AS count
     FROM embeddings JOIN faces ON faces.id = face WHERE model = ?1 AND face > ?2 ORDER BY face`,
    id,
    after,
  );
  let out: EnrolledVectors | undefined;
  let at = 0;
  for (const row of rows) {
    out ??= emptyVectors(width, row.count);
    const { vector, copies, alpha, score } = readEmbedding(path, row, width);
    out.faces[at] = row.face;
    out.people[at] = row.person;
    out.vectors.set(vector, at * width);
    out.copies.set(copies, at * width);
    out.alpha[at] = alpha;
    out.score[at] = score ?? Number.NaN;
    at++;
  }
  return out ?? emptyVectors(width, 0);
}

const emptyVectors = (width: number, count: number): EnrolledVectors => ({
  width,
  faces: new Int32Array(count),
  people: new Int32Array(count),
  vectors: new Float32Array(count * width),
  copies: new Float32Array(count * width),
  alpha: new Float32Array(count),
  score: new Float64Array(count),
});
