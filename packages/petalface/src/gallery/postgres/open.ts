import { PetalfaceError } from "../../errors.ts";
import type { GalleryAddress } from "../address.ts";
import type { EmbeddingRecord } from "../record.ts";
import type { GalleryStore } from "../store.ts";
import type { GallerySettings } from "../types.ts";
import { connect, type Database, type Queries, quoteName } from "./database.ts";
import { note } from "./rows.ts";
import { formatVersion, schema } from "./schema.ts";
import { postgresStore } from "./store.ts";

type PostgresAddress = Extract<GalleryAddress, { readonly kind: "postgres" }>;

/** Comment of a schema that is a gallery. */
const mark = "petalface gallery, format ";

/** Makes an empty gallery: a schema of its own in a database. */
export async function createInPostgres(
  { connection, gallery, shown }: PostgresAddress,
  record: EmbeddingRecord,
  settings: GallerySettings,
): Promise<void> {
  await within({ connection, shown }, (database) => createSchema(database, gallery, record, settings));
}

/** Does something with a database, outside of its galleries. */
async function within<T>(
  { connection, shown }: Pick<PostgresAddress, "connection" | "shown">,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const database = await connect(connection, shown);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

const isTaken = async (sql: Queries, gallery: string): Promise<boolean> =>
  (await sql.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [gallery])).length > 0;

const taken = (shown: string): PetalfaceError =>
  new PetalfaceError(
    "PETAL_OUTPUT_EXISTS",
    `${shown} is there already, and a gallery is never replaced; give another name`,
  );

/** Throws PetalfaceError where there is a gallery, or something else, of that name. */
export const refuseTaken = (place: PostgresAddress): Promise<void> =>
  within(place, async (database) => {
    if (await isTaken(database, place.gallery)) throw taken(place.shown);
  });

/** Gives a gallery another name. Throws PetalfaceError where that is taken. */
export const renameInPostgres = (place: PostgresAddress, name: string): Promise<void> =>
  within(place, async (database) => {
    if (await isTaken(database, name)) throw taken(place.shown);
    await database.query(`ALTER SCHEMA ${quoteName(place.gallery)} RENAME TO ${quoteName(name)}`);
  });

/** Deletes a gallery with all its faces. */
export const dropInPostgres = (place: PostgresAddress): Promise<void> =>
  within(place, async (database) => {
    await database.query(`DROP SCHEMA IF EXISTS ${quoteName(place.gallery)} CASCADE`);
  });

/** Codes of PostgreSQL for an extension that is not there, or that this user may not create. */
const noExtension: ReadonlySet<string> = new Set(["0A000", "58P01", "42501"]);

/** The server's code of an error, which may be the cause of one. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const source = error instanceof PetalfaceError ? error.cause : error;
  return source instanceof Error && "code" in source && typeof source.code === "string" ? source.code : "";
}

/** The same on an open database. */
export async function createSchema(
  database: Database,
  gallery: string,
  record: EmbeddingRecord,
  settings: GallerySettings,
): Promise<void> {
  const { shown } = database;
  const name = quoteName(gallery);
  await database.transaction("write", async (sql) => {
    if (await isTaken(sql, gallery)) throw taken(shown);
    await sql.query("CREATE EXTENSION IF NOT EXISTS vector").catch((cause: unknown) => {
      // A full or read-only server, or a broken connection, is what it says itself.
      if (!noExtension.has(codeOf(cause))) throw cause;
      throw new PetalfaceError(
        "PETAL_PROGRAM_MISSING",
        `${shown}: galleries need the extension pgvector; install it on the server, then CREATE EXTENSION vector as its administrator`,
        { cause },
      );
    });
    const [vector] = await sql.query<{ readonly name: string }>(
      `SELECT nspname AS name FROM pg_extension JOIN pg_namespace AS space ON space.oid = extnamespace
       WHERE extname = 'vector'`,
    );
    await sql.query(`CREATE SCHEMA ${name}`);
    await sql.query(`SET LOCAL search_path TO ${name}, ${quoteName(vector?.name ?? "public")}`);
    for (const statement of schema.split(";\n")) if (statement.trim() !== "") await sql.query(statement);
    for (const [key, value] of Object.entries(settings))
      await sql.query("INSERT INTO settings (key, value) VALUES ($1, $2)", [key, JSON.stringify(value)]);
    await sql.query("INSERT INTO models (record, active) VALUES ($1, true)", [JSON.stringify(record)]);
    await note(sql, "create", null, 0);
    await sql.query(`COMMENT ON SCHEMA ${name} IS '${mark}${formatVersion}'`);
  });
}

/** Opens a gallery in a database. */
export async function openInPostgres({ connection, gallery, shown }: PostgresAddress): Promise<GalleryStore> {
  const database = await connect(connection, shown, gallery);
  try {
    return await openSchema(database, gallery);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** The same on an open database, which the gallery closes. */
export async function openSchema(database: Database, gallery: string): Promise<GalleryStore> {
  const { shown } = database;
  const [found] = await database.query<{ readonly comment: string | null }>(
    "SELECT obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE nspname = $1",
    [gallery],
  );
  if (found === undefined)
    throw new PetalfaceError("PETAL_GALLERY_MISSING", `${shown} does not exist; make it with petalface gallery create`);
  const version = Number(found.comment?.startsWith(mark) ? found.comment.slice(mark.length) : Number.NaN);
  if (Number.isNaN(version))
    throw new PetalfaceError(
      "PETAL_GALLERY_DAMAGED",
      `${shown} is no gallery; give the name of one that petalface gallery create made`,
    );
  if (version > formatVersion)
    throw new PetalfaceError(
      "PETAL_GALLERY_DAMAGED",
      `${shown} has format ${version}, and this petalface knows formats up to ${formatVersion}; use a newer petalface`,
    );
  return await postgresStore(database);
}
