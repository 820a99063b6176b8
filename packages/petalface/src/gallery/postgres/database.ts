import type { Pool, PoolClient } from "pg";
import { PetalfaceError } from "../../errors.ts";

/** Sends statements to a database. */
export interface Queries {
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** What a gallery needs of a database of PostgreSQL. Its schema is the first of the search path. */
export interface Database extends Queries {
  /** For messages. */
  readonly shown: string;
  /**
   * Does several statements as one: all of them, or none where it throws. A `snapshot` reads one
   * state, whatever others write meanwhile.
   */
  transaction<T>(kind: "write" | "snapshot", work: (sql: Queries) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Connections of one open gallery: a long read does not hold up the rest. */
const connections = 4;
/** Milliseconds until a server that does not answer is given up. */
const patience = 30_000;

/**
 * Connects to a database.
 *
 * @param schema the gallery's, or undefined before it is made
 * @throws PetalfaceError where the server cannot be reached, or refuses
 */
export async function connect(connection: string, shown: string, schema?: string): Promise<Database> {
  const { default: pg } = await import("pg");
  const make = (path?: string): Pool => {
    const pool = new pg.Pool({
      connectionString: connection,
      max: connections,
      connectionTimeoutMillis: patience,
      application_name: "petalface",
      ...(path !== undefined && { options: `-c search_path=${path}` }),
    });
    // An idle connection that breaks is replaced; whoever needs it then hears of it.
    pool.on("error", () => {});
    return pool;
  };
  const first = make();
  const vector = await guarded(shown, () =>
    first.query<{ readonly name: string }>(
      `SELECT nspname AS name FROM pg_extension JOIN pg_namespace AS space ON space.oid = extnamespace
       WHERE extname = 'vector'`,
    ),
  ).catch(async (error: unknown) => {
    await first.end();
    throw error;
  });
  if (schema === undefined) return poolDatabase(first, shown);
  await first.end();
  const path = [schema, ...vector.rows.map(({ name }) => name)].map(quoteName).join(",");
  // Spaces and backslashes are special in this parameter.
  return poolDatabase(make(path.replace(/[\\\s]/g, "\\$&")), shown);
}

/** A name for a statement. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

function poolDatabase(pool: Pool, shown: string): Database {
  const queries = (client: Pool | PoolClient): Queries => ({
    query: async <Row>(text: string, values: readonly unknown[] = []) =>
      (await guarded(shown, () => client.query(text, [...values]))).rows as Row[],
  });
  return {
    shown,
    ...queries(pool),
    async transaction(kind, work) {
      const client = await guarded(shown, () => pool.connect());
      let broken = false;
      try {
        await guarded(shown, () =>
          client.query(kind === "write" ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        );
        const result = await work(queries(client));
        await guarded(shown, () => client.query("COMMIT"));
        return result;
      } catch (error) {
        await client.query("ROLLBACK").catch(() => {
          broken = true;
        });
        throw error;
      } finally {
        client.release(broken);
      }
    },
    close: () => pool.end(),
  };
}

/** Runs work on a server. What goes wrong there becomes one line that says what to do. */
export async function guarded<T>(shown: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw databaseFailure(shown, error);
  }
}

/**
 * Errors of the network and of PostgreSQL (its manual, appendix A) that users can do something
 * about.
 */
const advice: Readonly<Record<string, string>> = {
  ECONNREFUSED: "no server of PostgreSQL answers there; start it, or correct the address",
  ENOTFOUND: "there is no such host; correct the address",
  ETIMEDOUT: "the server does not answer; look at the network, then try again",
  ECONNRESET: "the server ended the connection; look at its log, then try again",
  "28P01": "the password is wrong or missing; give it in the address, in PGPASSWORD or in ~/.pgpass",
  "28000": "the server refuses this user; correct the address, or the server's pg_hba.conf",
  "3D000": "there is no such database; make it with createdb, or correct the address",
  "42501": "this user may not do that; ask the server's administrator for the rights",
  "53100": "the server's disk is full; free some space there, then continue",
  "53300": "the server has too many connections; close some, then try again",
  "25006": "the server is read-only; give the address of the one that may be written",
  "57P01": "the server is shutting down; start it, then continue",
  "57P03": "the server is starting up or shutting down; try again in a while",
  "55P03": "another program keeps the gallery locked; wait for it, then try again",
};

/** Classes of codes of PostgreSQL that all mean one thing. */
const classes: Readonly<Record<string, string>> = {
  "08": "the connection to the server broke; try again",
  XX: "the server reports damaged data; restore it from a backup, or from an export (petalface gallery import)",
};

/**
 * The error of the driver as one that the user can do something about; others come back as they
 * are.
 */
function databaseFailure(shown: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof PetalfaceError) return error;
  const found = "errors" in error && Array.isArray(error.errors) ? (error.errors[0] as unknown) : error;
  const code = found instanceof Error && "code" in found && typeof found.code === "string" ? found.code : undefined;
  const broken = /Connection terminated|timeout expired|timeout exceeded/.test(error.message);
  if (code === undefined && !broken) return error;
  const line = broken ? classes["08"] : (advice[code ?? ""] ?? classes[code?.slice(0, 2) ?? ""]);
  return new PetalfaceError("PETAL_DATABASE_FAILED", `${shown}: ${line ?? `PostgreSQL says "${error.message}"`}`, {
    cause: error,
  });
}
