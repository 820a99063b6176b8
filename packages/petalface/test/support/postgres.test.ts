import { existsSync } from "node:fs";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { findPostgres, needsPostgres, needsVector, startPostgres } from "./postgres.ts";

const found = findPostgres();
const absent = found === undefined;

describe.skipIf(absent)(`a PostgreSQL server for tests (${needsPostgres})`, () => {
  test("makes empty databases, and leaves nothing when it stops", async () => {
    const server = await startPostgres({ max_connections: "7" });
    let place: string;
    try {
      const [one, other] = [await server.createDatabase(), await server.createDatabase()];
      expect(one).not.toBe(other);
      const client = new pg.Client({ connectionString: one });
      await client.connect();
      const read = async (text: string): Promise<unknown> => Object.values((await client.query(text)).rows[0] ?? {})[0];
      expect(await read("SHOW max_connections")).toBe("7");
      expect(await read("SELECT inet_server_addr()::text")).toMatch(/^127\.0\.0\.1/);
      place = String(await read("SHOW data_directory"));
      expect(existsSync(place)).toBe(true);
      await client.end();
    } finally {
      await server.stop();
    }
    expect(existsSync(place)).toBe(false);
  });

  test.skipIf(found?.vector !== true)(`has pgvector where its programs bring it (${needsVector})`, async () => {
    await using server = await startPostgres();
    const client = new pg.Client({ connectionString: await server.createDatabase() });
    await client.connect();
    await client.query("CREATE EXTENSION vector");
    const { rows } = await client.query("SELECT '[3,4]'::halfvec <-> '[0,0]' AS length");
    expect(rows).toEqual([{ length: 5 }]);
    await client.end();
  });
});
