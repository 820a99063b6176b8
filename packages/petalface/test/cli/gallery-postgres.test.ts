import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { findPostgres, needsVector, type PostgresServer, startPostgres } from "../support/postgres.ts";
import { drawPhotos } from "./drawn-photos.ts";
import { petalface } from "./process.ts";

const absent = findPostgres()?.vector !== true;
const folder = temporaryFolder("petalface-cli-postgres-");
let server: PostgresServer;
let database: string;

beforeAll(async () => {
  if (absent) return;
  server = await startPostgres();
  database = await server.createDatabase();
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  await drawPhotos(folder, "synthetic:people=4,images=3,seed=5");
});
afterAll(async () => {
  if (absent) return;
  await server.stop();
});

async function json(...args: string[]) {
  const { code, stdout, stderr } = await petalface(["gallery", ...args, "--json"], { cwd: folder });
  expect(code, stderr).toBe(0);
  expect(stdout + stderr, "a password").not.toContain(new URL(database).password);
  return JSON.parse(stdout);
}

async function failure(code: number, ...args: string[]): Promise<string> {
  const ended = await petalface(["gallery", ...args], { cwd: folder });
  expect([ended.code, ended.stdout], ended.stderr).toEqual([code, ""]);
  expect(ended.stderr.trimEnd().split("\n"), "one line").toHaveLength(1);
  const { password } = new URL(database);
  if (password !== "") expect(ended.stderr).not.toContain(password);
  return ended.stderr;
}

const open = ["--min-alpha", "0", "--force"];

describe.skipIf(absent)(`petalface gallery in PostgreSQL (${needsVector})`, () => {
  test("goes the same way as in a file, with the same answers", async () => {
    const store = ["--store", database];
    const shown = "?gallery=team";
    for (const [gallery, ...rest] of [["team", ...store], ["team.db"]] as string[][]) {
      const made = ["--model", "tiny.onnx", "--copies", "8,6", "--alpha-range", "0,4", "--keep-crops"];
      await json("create", gallery, ...made, ...rest);
      await json("add", gallery, "faces", ...open, "--retain", "30", ...rest);
    }
    const listed = await json("list", "team", ...store);
    expect(listed.gallery).toContain(shown);
    expect(listed).toMatchObject({ faces: 12, people: ["0", "1", "2", "3"].map((name) => ({ name, faces: 3 })) });
    const address = `${database}${shown}`;
    const [one, other] = [await json("search", address, "faces"), await json("search", "team.db", "faces")];
    expect(one).toEqual({ ...other, gallery: one.gallery });
    // The index finds the same people, once it is built.
    expect(await failure(1, "search", address, "faces", "--index")).toMatch(/has no index .* petalface gallery index/);
    expect(await json("index", address)).toMatchObject({ faces: 12 });
    const indexed = await json("search", address, "faces", "--index");
    expect(indexed.search).toBe("index of pgvector, then float32");
    const close = (photos: { cosine: number; candidates: { cosine: number }[] }[]) =>
      photos.map(({ cosine, candidates, ...rest }) => ({
        ...rest,
        threshold: expect.any(Number),
        cosine: expect.closeTo(cosine, 5),
        candidates: candidates.map((each) => ({ ...each, cosine: expect.closeTo(each.cosine, 5) })),
      }));
    expect(indexed.photos).toEqual(close(one.photos));
    // A file has an index too, with the same answers.
    expect(await failure(1, "search", "team.db", "faces", "--index")).toMatch(/has no index; build it with/);
    expect(await json("index", "team.db")).toMatchObject({ faces: 12, indexedBy: "sketches" });
    const inFile = await json("search", "team.db", "faces", "--index");
    expect(inFile.search).toBe("index of sketches, then float32");
    expect(inFile.photos).toEqual(close(one.photos));
    // From the database into a file and back.
    await json("export", address, "--out", "team.jsonl");
    await json("export", "team.db", "--out", "file.jsonl");
    await json("import", "team.jsonl", "again", ...store);
    await json("export", "again", ...store, "--out", "again.jsonl");
    expect(await readFile(join(folder, "again.jsonl"))).toEqual(await readFile(join(folder, "team.jsonl")));
    expect(await json("remove", address, "--expired")).toMatchObject({ faces: 0, people: 0 });
    const removed = await json("remove", address, "--person", "2");
    expect(removed).toMatchObject({ person: "2", faces: 3, people: 1, found: 0 });
    expect(removed.fragments).toBeGreaterThan(10);
    expect(await json("check", address, "--audit")).toMatchObject({ ok: true, people: 3, faces: 9 });
    await writeTinyBackbone(join(folder, "other.onnx"), 2);
    const moved = await json("migrate", address, "--model", "other.onnx", "--alpha-range", "0,4");
    expect(moved).toMatchObject({ faces: 9, changed: 9, kept: 0 });
    expect(await json("check", address)).toMatchObject({ ok: true });
  });

  test("leaves no byte of a person in the server's tables", async () => {
    await json("create", "forget", "--store", database, "--model", "tiny.onnx", "--keep-crops", "--copies", "none");
    await json("add", "forget", "faces", ...open, "--store", database);
    const [name] = await readdir(join(folder, "faces", "1"));
    const picture = (await readFile(join(folder, "faces", "1", name))).subarray(-200);
    const client = new pg.Client({ connectionString: database });
    await client.connect();
    const isThere = async (): Promise<boolean> => {
      await client.query("CHECKPOINT");
      const place = String((await client.query("SHOW data_directory")).rows[0]?.data_directory);
      const files = await readdir(join(place, "base"), { recursive: true, withFileTypes: true });
      for (const file of files)
        if (file.isFile() && (await readFile(join(file.parentPath, file.name))).includes(picture)) return true;
      return false;
    };
    // The other test's galleries have the same pictures.
    for (const gallery of ["team", "again"]) await client.query(`DROP SCHEMA IF EXISTS ${gallery} CASCADE`);
    expect(await isThere()).toBe(true);
    await json("remove", "forget", "--person", "1", "--store", database);
    expect(await isThere()).toBe(false);
    await client.end();
  });

  test("says in one line what is wrong", async () => {
    const change = (parts: Partial<Pick<URL, "username" | "password" | "pathname" | "port">>): string =>
      Object.assign(new URL(database), parts).href;
    const list = (address: string) => failure(1, "list", address);
    expect(await list(`${database}?gallery=nobody`)).toMatch(/does not exist; make it with petalface gallery create/);
    expect(await list(change({ password: "wrong" }))).toMatch(/the password is wrong or missing/);
    expect(await list(change({ pathname: "/none" }))).toMatch(/there is no such database/);
    expect(await list(change({ port: "1" }))).toMatch(/no server of PostgreSQL answers there/);
    expect(await failure(2, "list", `${database}?gallery=public`)).toMatch(/cannot be the name of a gallery/);
    expect(await failure(2, "list", "people.db", "--store", "people")).toMatch(/--store is an address postgres:/);
    const client = new pg.Client({ connectionString: database });
    await client.connect();
    await client.query("CREATE SCHEMA other; CREATE USER guest PASSWORD 'guest'");
    expect(await list(`${database}?gallery=other`)).toMatch(/is no gallery/);
    await client.query("COMMENT ON SCHEMA other IS 'petalface gallery, format 99'");
    expect(await list(`${database}?gallery=other`)).toMatch(/has format 99/);
    const guest = change({ username: "guest", password: "guest" });
    const made = await failure(1, "create", `${guest}?gallery=mine`, "--model", "tiny.onnx", "--alpha-range", "0,4");
    expect(made).toMatch(/may not do that|need the extension pgvector/);
    await client.end();
  });
});
