import type { DatabaseSync } from "node:sqlite";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import { floatsFrom } from "../rows.ts";
import { guard, openDatabase } from "../sqlite/driver.ts";
import type { ForeignCount, ForeignFace, ForeignFaces } from "./types.ts";

/**
 * Reads the database of InsightFace Server, a file of SQLite (server/migrations in insightface's
 * repository). Crops are there only where a collection keeps them.
 *
 * @throws PetalfaceError where the file is no such database
 */
export async function openInsightFace(file: string): Promise<ForeignFaces> {
  const database = await openDatabase(file, { readOnly: true });
  try {
    const found = guard(file, () =>
      database
        .prepare("SELECT name FROM sqlite_schema WHERE name IN (?, ?, ?)")
        .all("collections", "persons", "face_samples"),
    );
    if (found.length < 3)
      throw new PetalfaceError(
        "PETAL_GALLERY_DAMAGED",
        `${printPath(file)} is a file of SQLite, but no database of InsightFace Server; give the one in the server's data folder`,
      );
    return readerOf(file, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

type Row = Omit<ForeignFace, "vector" | "aspect"> & { readonly vector: Uint8Array; readonly box: string };

function readerOf(file: string, database: DatabaseSync): ForeignFaces {
  const columns = guard(file, () => database.prepare("PRAGMA table_info(face_samples)").all());
  const picture = columns.some(({ name }) => name === "crop_image") ? "crop_image" : "NULL";
  const joined = `FROM face_samples AS face
    JOIN persons ON persons.collection_id = face.collection_id AND persons.id = face.person_id
    JOIN collections ON collections.id = face.collection_id`;
  const model = "face.model_id || '@' || face.model_version";
  const counts = (by: string, where: string, ...values: string[]): ForeignCount[] =>
    guard(file, () =>
      database
        .prepare(`SELECT ${by} AS name, count(*) AS faces, count(${picture}) AS pictures ${joined}
          WHERE ${where} GROUP BY 1 ORDER BY 2 DESC, 1`)
        .all(...values),
    ) as unknown as ForeignCount[];
  return {
    product: "InsightFace Server",
    wholePhotos: false,
    collections: counts("collections.name", "1"),
    models: (collection) => counts(model, "collections.name = ?", collection),
    *faces(collection) {
      const rows = database
        .prepare(`SELECT face.id AS id, coalesce(nullif(persons.name, ''), persons.external_id, persons.id) AS person,
          embedding AS vector, ${model} AS model, ${picture} AS picture, bounding_box_json AS box
          ${joined} WHERE collections.name = ? ORDER BY face.person_id, face.id`)
        .iterate(collection);
      for (const { box, vector, ...row } of rows as unknown as Iterable<Row>)
        yield { ...row, vector: floatsFrom(vector), aspect: aspectOf(box) };
    },
    [Symbol.asyncDispose]: async () => {
      database.close();
    },
  };
}

/**
 * Width / height of a face's box; undefined where it does not say. A crop is the box, stretched to
 * 112 x 112.
 */
function aspectOf(box: string): number | undefined {
  try {
    const { pixels } = JSON.parse(box) as { readonly pixels?: { readonly width?: number; readonly height?: number } };
    const aspect = Number(pixels?.width) / Number(pixels?.height);
    return aspect > 0 && Number.isFinite(aspect) ? aspect : undefined;
  } catch {
    return undefined;
  }
}
