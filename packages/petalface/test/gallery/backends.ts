import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import {
  createGallery,
  type EmbeddingRecord,
  type GallerySettings,
  type GalleryStore,
  openGallery,
} from "../../src/gallery/index.ts";
import { type Database, type Queries, quoteName } from "../../src/gallery/postgres/database.ts";
import { createSchema, openSchema } from "../../src/gallery/postgres/open.ts";
import { findPostgres, needsVector, startPostgres } from "../support/postgres.ts";

/** Galleries of one kind, for tests that hold for all kinds. */
export interface Backend extends AsyncDisposable {
  /** Where a gallery may be made that is not there yet. */
  place(): string;
  create(place: string, record: EmbeddingRecord, settings: GallerySettings): Promise<void>;
  open(place: string): Promise<GalleryStore>;
  /** Changes the stored data behind the gallery's back. */
  run(place: string, statement: string): Promise<void>;
}

/** A kind of store, and whether this machine has what it needs. */
export interface BackendKind {
  readonly name: string;
  readonly absent: boolean;
  /** Whether many faces take long in it, and another kind runs the same statements. */
  readonly slow: boolean;
  start(): Promise<Backend>;
}

const hasServer = findPostgres()?.vector === true;

export const backends: readonly BackendKind[] = [
  { name: "SQLite", absent: false, slow: false, start: startFiles },
  { name: "PGlite with pgvector", absent: false, slow: hasServer, start: startLite },
  {
    name: `PostgreSQL with pgvector (${needsVector})`,
    absent: !hasServer,
    slow: false,
    start: startServer,
  },
];

async function startFiles(): Promise<Backend> {
  const folder = await mkdtemp(join(tmpdir(), "petalface-galleries-"));
  let count = 0;
  return {
    place: () => join(folder, `${count++}.db`),
    create: createGallery,
    open: openGallery,
    async run(place, statement) {
      const { DatabaseSync } = await import("node:sqlite");
      const database = new DatabaseSync(place);
      database.exec(statement);
      database.close();
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function startServer(): Promise<Backend> {
  const server = await startPostgres();
  const database = await server.createDatabase();
  let count = 0;
  return {
    place: () => `${database}?gallery=${encodeURIComponent(`of people's "faces" ${count++}`)}`,
    create: createGallery,
    open: openGallery,
    async run(place, statement) {
      const { default: pg } = await import("pg");
      const client = new pg.Client({ connectionString: database });
      await client.connect();
      await client.query(`SET search_path TO ${quoteName(new URL(place).searchParams.get("gallery") ?? "")}, public`);
      await client.query(statement);
      await client.end();
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

/** PostgreSQL within the process, which has one connection: a gallery's name is its place. */
async function startLite(): Promise<Backend> {
  const lite = await PGlite.create({ extensions: { vector } });
  let count = 0;
  const use = async (place: string): Promise<void> => {
    await lite.exec(`SET search_path TO ${quoteName(place)}, public`);
  };
  return {
    place: () => `lite_${count++}`,
    create: async (place, record, settings) => createSchema(liteDatabase(lite, place), place, record, settings),
    async open(place) {
      await use(place);
      return await openSchema(liteDatabase(lite, place), place);
    },
    async run(place, statement) {
      await use(place);
      await lite.exec(statement);
    },
    [Symbol.asyncDispose]: () => lite.close(),
  };
}

function liteDatabase(lite: PGlite, shown: string): Database {
  const queries = (on: Pick<PGlite, "query">): Queries => ({
    query: async <Row>(text: string, values: readonly unknown[] = []) => (await on.query<Row>(text, [...values])).rows,
  });
  return {
    shown,
    ...queries(lite),
    transaction: (kind, work) =>
      lite.transaction(async (on) => {
        if (kind === "snapshot") await on.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
        return await work({
          query: async <Row>(text: string, values: readonly unknown[] = []) =>
            (await on.query<Row>(text, [...values])).rows,
        });
      }),
    close: async () => {},
  };
}
