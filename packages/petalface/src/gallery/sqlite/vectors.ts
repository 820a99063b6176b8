import { release } from "../release.ts";
import { type EmbeddingRow, readEmbedding, type VectorsWriter, vectorsWriter } from "../rows.ts";
import type { ChosenFaces, EnrolledVectors, FaceOwners } from "../types.ts";
import type { Statements, StoredModel } from "./statements.ts";

type VectorRow = EmbeddingRow & { readonly person: number };
type CountedRow = VectorRow & { readonly count: number };

const columns = "face, person, alpha, score, crc, vector, copies";

/** What one model made of the faces; of those with ids above `after`, where it is given. */
export function readVectors(path: string, sql: Statements, { id, record }: StoredModel, after = -1): EnrolledVectors {
  const { width } = record.space;
  // One statement, so that a writer between two cannot be seen by half.
  const rows = sql.each<CountedRow>(
    `SELECT ${columns}, (SELECT count(*) FROM embeddings WHERE model = ?1 AND face > ?2) AS count
     FROM embeddings JOIN faces ON faces.id = face WHERE model = ?1 AND face > ?2 ORDER BY face`,
    ...[id, after],
  );
  let writer: VectorsWriter | undefined;
  for (const row of rows) {
    writer ??= vectorsWriter(width, row.count);
    writer.put(row.face, row.person, readEmbedding(path, row, width));
  }
  return (writer ?? vectorsWriter(width, 0)).finish();
}

/** The first `most` faces with ids above `after`. */
export function readRange(
  path: string,
  sql: Statements,
  { id, record }: StoredModel,
  after: number,
  most: number,
): EnrolledVectors {
  // One row at a time: thousands of them at once would make the heap grow, which never shrinks.
  const rows = sql.each<VectorRow>(
    `SELECT ${columns} FROM embeddings JOIN faces ON faces.id = face
     WHERE model = ? AND face > ? ORDER BY face LIMIT ?`,
    ...[id, after, most],
  );
  return collect(path, rows, most, record.space.width);
}

/**
 * The query of {@link readChosen}: `?1` is the model, `?2` the ids as JSON. CROSS JOIN keeps this
 * order. SQLite would otherwise go through all embeddings of the model, as it does not know that
 * few faces are chosen.
 */
export const chosenQuery = (column: "faces.id" | "person"): string =>
  `SELECT ${columns} FROM (SELECT DISTINCT value FROM json_each(?2)) AS chosen
   CROSS JOIN faces ON ${column} = chosen.value
   CROSS JOIN embeddings ON face = faces.id AND model = ?1 ORDER BY faces.id`;

/** Chosen faces, or those of chosen people. */
export function readChosen(
  path: string,
  sql: Statements,
  { id, record }: StoredModel,
  chosen: ChosenFaces,
): EnrolledVectors {
  const [column, ids] =
    "faces" in chosen ? (["faces.id", chosen.faces] as const) : (["person", chosen.people] as const);
  const rows = sql.all<VectorRow>(chosenQuery(column), id, JSON.stringify(Array.from(ids)));
  return collect(path, rows, rows.length, record.space.width);
}

/** The faces that a model has embedded. */
export function readOwners(sql: Statements, model: number): FaceOwners {
  // One row at a time, into arrays of 8 bytes a face; one statement, so that both agree.
  const rows = sql.each<{ readonly face: number; readonly person: number; readonly count: number }>(
    `SELECT face, person, (SELECT count(*) FROM embeddings WHERE model = ?1) AS count
     FROM embeddings JOIN faces ON faces.id = face WHERE model = ?1 ORDER BY face`,
    model,
  );
  let [faces, people] = [new Int32Array(), new Int32Array()];
  let at = 0;
  for (const { face, person, count } of rows) {
    if (at === 0) [faces, people] = [new Int32Array(count), new Int32Array(count)];
    faces[at] = face;
    people[at] = person;
    at++;
  }
  return { faces, people };
}

/** @param most rows at most */
function collect(path: string, rows: Iterable<VectorRow>, most: number, width: number): EnrolledVectors {
  const writer = vectorsWriter(width, most);
  for (const row of rows) {
    writer.put(row.face, row.person, readEmbedding(path, row, width));
    release(row.vector, row.copies);
  }
  return writer.finish();
}
