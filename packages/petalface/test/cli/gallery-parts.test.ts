import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { findPostgres, needsVector, type PostgresServer, startPostgres } from "../support/postgres.ts";
import { petalface } from "./process.ts";

const absent = findPostgres()?.vector !== true;
const folder = temporaryFolder("petalface-cli-parts-");
const servers: PostgresServer[] = [];
let databases: string[];

beforeAll(async () => {
  if (absent) return;
  servers.push(await startPostgres(), await startPostgres());
  databases = await Promise.all(servers.map((server) => server.createDatabase()));
  await writeTinyBackbone(join(folder, "tiny.onnx"));
});
afterAll(async () => {
  if (absent) return;
  for (const server of servers) await server.stop();
});

async function run(...args: string[]) {
  const ended = await petalface(["gallery", ...args], { cwd: folder });
  for (const database of databases) expect(ended.stdout + ended.stderr).not.toContain(new URL(database).password);
  return ended;
}
async function json(...args: string[]) {
  const { code, stdout, stderr } = await run(...args, "--json");
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

describe.skipIf(absent)(`petalface gallery over two servers (${needsVector})`, () => {
  test("goes the way of one gallery, and says what is missing when a server is down", async () => {
    const stores = databases.flatMap((database) => ["--store", database]);
    const faces = "synthetic:people=9,images=3,seed=5";
    for (const [gallery, ...rest] of [["team", ...stores], ["team.db"]] as string[][]) {
      const made = ["--model", "tiny.onnx", "--copies", "8,6", "--alpha-range", "0,4"];
      await json("create", gallery, ...made, ...rest);
      await json("add", gallery, faces, "--min-alpha", "0", "--force", ...rest);
    }
    const listed = await json("list", "team", ...stores);
    expect(listed.people).toHaveLength(9);
    expect(listed.gallery).toMatch(/gallery=team, .*gallery=team/);
    const [one, several] = [await json("search", "team.db", faces), await json("search", "team", faces, ...stores)];
    expect(several).toEqual({
      ...one,
      gallery: several.gallery,
      missing: [],
      search: "exact, float32, over 2 of 2 servers",
    });
    // The order of the servers does not matter, and one of them alone is not the gallery.
    const turned = databases.toReversed().flatMap((database) => ["--store", database]);
    expect((await json("search", "team", faces, ...turned)).photos).toEqual(one.photos);
    const alone = await run("search", "team", faces, "--store", databases[1]);
    expect([alone.code, alone.stderr]).toEqual([1, expect.stringMatching(/is part 2 of 2 .* one --store each/)]);
    expect(await json("check", "team", "--store", databases[1])).toMatchObject({ ok: true });
    expect(await json("check", "team", ...stores)).toMatchObject({ ok: true, people: 9, faces: 27 });
    await json("index", "team", ...stores);
    const indexed = await json("search", "team", faces, "--index", ...stores);
    expect(indexed.search).toBe("index of pgvector, then float32, over 2 of 2 servers");
    expect(indexed.photos.map(({ person }: { person: string }) => person)).toEqual(
      one.photos.map(({ person }: { person: string }) => person),
    );

    await servers[1]?.stop();
    const error = await run("search", "team", faces, ...stores);
    expect([error.code, error.stdout]).toEqual([1, ""]);
    expect(error.stderr).toMatch(/^petalface: postgres:.*gallery=team: no server of PostgreSQL answers there[^\n]*\n$/);
    const partial = await run("search", "team", faces, ...stores, "--when-down", "partial", "--threshold", "0.5");
    expect(partial.code).toBe(0);
    expect(partial.stderr).toMatch(/partial answer: postgres:\S+ was not searched \(.*no server of PostgreSQL answers/);
    const said = await json("search", "team", faces, ...stores, "--when-down", "partial", "--top", "100");
    expect(said.missing).toEqual([{ part: expect.stringMatching(/gallery=team$/), reason: expect.any(String) }]);
    expect(said.search).toBe("exact, float32, over 1 of 2 servers");
    const here = (await json("list", "team", "--store", databases[0])).people as { name: string }[];
    expect(here.length).toBeGreaterThan(0);
    expect(here.length).toBeLessThan(9);
    for (const { candidates } of said.photos)
      expect(new Set(candidates.map(({ person }: { person: string }) => person))).toEqual(
        new Set(here.map(({ name }) => name)),
      );
    const wrong = await run("search", "team.db", faces, "--when-down", "partial");
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/--when-down is for a gallery on several/)]);
  });
});
