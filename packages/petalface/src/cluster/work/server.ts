import { itemAt } from "onnx-grad";
import type { Pool, PoolClient } from "pg";
import { PetalfaceError } from "../../errors.ts";

/** Sends statements to a server. */
export interface Queries {
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** One PostgreSQL server of a queue. */
export interface QueueServer extends Queries {
  /** Its address without the password, for messages. */
  readonly shown: string;
  /** Does several statements as one: all of them, or none where it throws. */
  transaction<T>(work: (sql: Queries) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A server that cannot be reached now, or broke off: what was asked of it may be asked again. */
export class ServerDown extends PetalfaceError {}

/** Milliseconds until a server that does not answer counts as down. */
const patience = 10_000;
const connections = 4;

/**
 * SQLSTATE classes of a server that goes away or comes back: connection exceptions (08), operator
 * intervention (57P), insufficient resources (53).
 */
const passing = /^(08|57P|53)/;

/** An address without its password; a text that is no address is not shown. */
export function shownAddress(address: string): string {
  try {
    const url = new URL(address);
    url.password = "";
    return url.href;
  } catch {
    return "an address that cannot be read";
  }
}

/**
 * Opens the servers of a queue; nothing is asked of them yet.
 *
 * @param addresses such as `postgres://user:password@host/database`
 * @throws PetalfaceError (wrong usage) at an address of another kind
 */
export async function openServers(addresses: readonly string[]): Promise<QueueServer[]> {
  for (const address of addresses)
    if (!/^postgres(ql)?:\/\//.test(address))
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `a queue is at postgres://user@host/database, not ${shownAddress(address)}`,
      );
  const { default: pg } = await import("pg");
  return addresses.map((address) => {
    const pool = new pg.Pool({
      connectionString: address,
      max: connections,
      connectionTimeoutMillis: patience,
      application_name: "petalface work",
    });
    // An idle connection that breaks is replaced; whoever needs it then hears of it.
    pool.on("error", () => {});
    return serverOf(pool, shownAddress(address));
  });
}

function serverOf(pool: Pool, shown: string): QueueServer {
  const on = (client: Pool | PoolClient): Queries => ({
    query: async <Row>(text: string, values: readonly unknown[] = []) =>
      (await guarded(shown, () => client.query(text, [...values]))).rows as Row[],
  });
  return {
    shown,
    ...on(pool),
    async transaction(work) {
      const client = await guarded(shown, () => pool.connect());
      client.on("error", () => {});
      let broken = true;
      try {
        const sql = on(client);
        await sql.query("BEGIN");
        const result = await work(sql);
        await sql.query("COMMIT");
        broken = false;
        return result;
      } catch (error) {
        if (!(error instanceof ServerDown))
          await client.query("ROLLBACK").then(
            () => {
              broken = false;
            },
            () => undefined,
          );
        throw error;
      } finally {
        client.release(broken);
      }
    },
    close: () => pool.end(),
  };
}

async function guarded<T>(shown: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code = "", message } = cause as { readonly code?: string; readonly message: string };
    // Errors of statements have a code of five characters; all others are the connection's.
    const ofStatement = /^[0-9A-Z]{5}$/.test(code) && !passing.test(code);
    if (!ofStatement)
      throw new ServerDown("PETAL_DATABASE_FAILED", `${shown} cannot be reached: ${message || code}`, { cause });
    throw new PetalfaceError("PETAL_DATABASE_FAILED", `${shown}: ${message}`, { cause });
  }
}

/** Which of some servers something with this key is kept on: as many keys on each. */
export const serverOfKey = <T>(servers: readonly T[], key: number): T => itemAt(servers, key % servers.length);
