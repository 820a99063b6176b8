import { join } from "node:path";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import { makeTemporary } from "../../temporary.ts";
import { bytesOf, floatsFrom } from "../rows.ts";
import { loadSqlite } from "../sqlite/driver.ts";
import { dumpRows } from "./dump.ts";
import type { ForeignCount, ForeignFace, ForeignFaces } from "./types.ts";

/**
 * Tables that are read. CompreFace 0.6 to 1.2: java/admin/.../db.changelog-0.1.7.yaml in its
 * repository.
 */
const tables = new Set(["model", "subject", "embedding", "img", "face"]);

/** The demo service, whose three faces come with each installation (db.changelog-0.1.2.yaml). */
const demoKey = "00000000-0000-0000-0000-000000000002";

/**
 * Reads a dump of CompreFace's database: `pg_dump` writes it as text. Rows of a dump come in the
 * order of its tables, so they are put into a temporary database first, on disk.
 *
 * @throws PetalfaceError where the file is no such dump
 */
export async function openCompreFace(file: string): Promise<ForeignFaces> {
  const { DatabaseSync } = await loadSqlite();
  const temporary = await makeTemporary();
  const database = new DatabaseSync(join(temporary.path, "faces.db"));
  const close = async (): Promise<void> => {
    if (database.isOpen) database.close();
    temporary.remove();
  };
  try {
    database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
      CREATE TABLE model (api_key TEXT, name TEXT);
      CREATE TABLE subject (id TEXT PRIMARY KEY, api_key TEXT, name TEXT);
      CREATE TABLE img (id TEXT PRIMARY KEY, content BLOB);
      CREATE TABLE embedding (id TEXT, subject TEXT, vector BLOB, calculator TEXT, img TEXT); BEGIN`);
    const insert = {
      model: database.prepare("INSERT INTO model VALUES (?, ?)"),
      subject: database.prepare("INSERT OR REPLACE INTO subject VALUES (?, ?, ?)"),
      img: database.prepare("INSERT OR REPLACE INTO img VALUES (?, ?)"),
      embedding: database.prepare("INSERT INTO embedding VALUES (?, ?, ?, ?, ?)"),
    };
    const seen = new Set<string>();
    let old = 0;
    for await (const { table, values } of dumpRows(file, tables)) {
      const of = (column: string): string | null => values.get(column) ?? null;
      seen.add(table);
      if (table === "model") insert.model.run(of("api_key"), of("name"));
      else if (table === "subject") insert.subject.run(of("id"), of("api_key"), of("subject_name"));
      else if (table === "img") insert.img.run(of("id"), hexBytes(of("content") ?? ""));
      else if (table === "embedding") {
        const vector = numbersOf(of("embedding") ?? "");
        insert.embedding.run(of("id"), of("subject_id"), bytesOf(vector), of("calculator") ?? "", of("img_id"));
      } else if (table === "face") old++;
    }
    database.exec("COMMIT");
    if (!seen.has("embedding")) throw noFaces(file, old > 0);
  } catch (error) {
    await close();
    throw error;
  }
  const named = "coalesce(nullif(model.name, ''), subject.api_key)";
  const joined = `FROM embedding JOIN subject ON subject.id = embedding.subject
    LEFT JOIN model ON model.api_key = subject.api_key LEFT JOIN img ON img.id = embedding.img`;
  const counts = (by: string, where: string, ...values: string[]): ForeignCount[] =>
    database
      .prepare(`SELECT ${by} AS name, count(*) AS faces, count(img.content) AS pictures ${joined}
        WHERE ${where} GROUP BY 1 ORDER BY 2 DESC, 1`)
      .all(...values) as unknown as ForeignCount[];
  return {
    product: "CompreFace",
    wholePhotos: true,
    collections: counts(named, "subject.api_key <> ?", demoKey),
    models: (collection) => counts("embedding.calculator", `${named} = ?`, collection),
    *faces(collection) {
      const rows = database
        .prepare(`SELECT coalesce(embedding.img, embedding.id) AS id, subject.name AS person, vector,
          calculator AS model, img.content AS picture ${joined} WHERE ${named} = ? ORDER BY subject.name, embedding.id`)
        .iterate(collection);
      for (const row of rows as Iterable<Omit<ForeignFace, "vector"> & { readonly vector: Uint8Array }>)
        yield { ...row, vector: floatsFrom(row.vector) };
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Bytes of `bytea` in hex digits, `\x89504e47`. */
const hexBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/^\\x/, ""), "hex"));

/** Numbers of `float8[]`, `{0.25,-0.5}`. */
const numbersOf = (text: string): Float32Array =>
  Float32Array.from(text.replace(/^\{|\}$/g, "").split(","), (number) => Number(number));

const noFaces = (file: string, isOld: boolean): PetalfaceError =>
  new PetalfaceError(
    "PETAL_GALLERY_DAMAGED",
    isOld
      ? `${printPath(file)} is of CompreFace before 0.6, which keeps faces in another way; start a newer CompreFace once with this database, then dump it again`
      : `${printPath(file)} holds no faces of CompreFace; write it with pg_dump, as text, which has COPY and no INSERT`,
  );
