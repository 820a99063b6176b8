import { spawnSync } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGallery, openGallery } from "../../src/gallery/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { findMount, mount, needsMount, unmount } from "../support/mount.ts";
import { findPostgres, needsVector, type PostgresServer, serverUser, startPostgres } from "../support/postgres.ts";
import { contentOf, faceOf, plainSettings, recordOf } from "./fixtures.ts";

const absent = findPostgres()?.vector !== true;
const canMount = !absent && (await findMount());
let server: PostgresServer;
const folder = temporaryFolder("petalface-limits-");

beforeAll(async () => {
  if (!absent) server = await startPostgres();
});
afterAll(async () => {
  if (!absent) await server.stop();
});

/** Sends statements to a database, each by itself. */
async function send(address: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: address });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

const nameOf = (address: string): string => new URL(address).pathname.slice(1);

describe.skipIf(absent)(`galleries on a server that cannot be written (${needsVector})`, () => {
  test("a read-only server is searched, and refuses every change in one line", async () => {
    const address = await server.createDatabase();
    const place = `${address}?gallery=people`;
    await createGallery(place, recordOf(), plainSettings);
    {
      await using store = await openGallery(place);
      await store.add("Ada", [faceOf("a"), faceOf("b")]);
    }
    await send(address, `ALTER DATABASE ${nameOf(address)} SET default_transaction_read_only = on`);
    await using store = await openGallery(place);
    const before = await contentOf(store);
    expect(before.size).toBe(2);
    const [first = 0] = (await store.faces()).map(({ id }) => id);
    for (const change of [
      () => store.add("Bo", [faceOf("c")]),
      () => store.remove("Ada"),
      () => store.removeFaces("Ada", [first]),
      () => store.rename("Ada", "Bo"),
      () => store.migrate(recordOf("other")),
      () => store.buildIndex(),
      () => createGallery(`${address}?gallery=more`, recordOf(), plainSettings),
    ])
      await expect(change()).rejects.toMatchObject({
        code: "PETAL_DATABASE_FAILED",
        message: expect.stringMatching(/: the server is read-only; give the address of the one that may be written$/),
      });
    expect(await contentOf(store)).toEqual(before);
    expect(await store.check()).toEqual([]);
  });

  test.skipIf(!canMount)(`a full disk loses nothing that was acknowledged (${needsMount})`, async () => {
    const disk = join(folder, "disk");
    await mkdir(disk);
    await chmod(folder, 0o755);
    const { uid, gid } = serverUser() ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    expect(mount(disk, "size=3m", `uid=${uid}`, `gid=${gid}`, "mode=700")).toBe(true);
    try {
      const address = await server.createDatabase();
      await send(address, `CREATE TABLESPACE small LOCATION '${disk}'`);
      await send(address, `ALTER DATABASE ${nameOf(address)} SET default_tablespace = small`);
      const place = `${address}?gallery=people`;
      await createGallery(place, recordOf(), plainSettings);
      await using store = await openGallery(place);
      const names: string[] = [];
      let failure: unknown;
      while (failure === undefined && names.length < 2000) {
        const name = `person ${names.length}`;
        // Random bytes, which the server cannot make smaller.
        await store.add(name, [faceOf(`${name} a`), faceOf(`${name} b`)]).then(
          () => names.push(name),
          (error: unknown) => {
            failure = error;
          },
        );
      }
      expect(failure).toMatchObject({
        code: "PETAL_DATABASE_FAILED",
        message: expect.stringMatching(/: the server's disk is full; free some space there, then continue$/),
      });
      expect((await store.people()).map(({ name, faces }) => [name, faces])).toEqual(
        names.toSorted().map((name) => [name, 2]),
      );
      expect(await store.check()).toEqual([]);
      // With more space it goes on where it was.
      expect(spawnSync("mount", ["-o", "remount,size=32m", disk]).status).toBe(0);
      expect(await store.add(`person ${names.length}`, [faceOf("again")])).toBe(1);
      expect((await store.people()).length).toBe(names.length + 1);
    } finally {
      await server.stop();
      unmount(disk);
    }
  });
});
