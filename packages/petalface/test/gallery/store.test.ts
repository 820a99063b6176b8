import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createGallery, openGallery } from "../../src/gallery/index.ts";
import { loadSqlite, openDatabase } from "../../src/gallery/sqlite/driver.ts";
import { pageBytes } from "../../src/gallery/sqlite/schema.ts";
import { sqliteStore } from "../../src/gallery/sqlite/store.ts";
import { chosenQuery } from "../../src/gallery/sqlite/vectors.ts";
import { temporaryFolder } from "../support/folder.ts";
import { contentOf, faceOf, plainSettings, recordOf } from "./fixtures.ts";

const folder = temporaryFolder("petalface-gallery-");
let count = 0;

async function newGallery(): Promise<string> {
  const path = join(folder, `${count++}.db`);
  await createGallery(path, recordOf(), plainSettings);
  return path;
}

describe("a gallery", () => {
  test("leaves no byte of a person who is removed in its files", async () => {
    const path = await newGallery();
    const [ada, bo] = [faceOf("a"), faceOf("b")];
    await using store = await openGallery(path);
    await store.add("Ada Unmistakable", [ada]);
    await store.add("Bo", [bo]);
    const files = async (): Promise<Buffer> =>
      Buffer.concat([await readFile(path), await readFile(`${path}-wal`).catch(() => Buffer.alloc(0))]);
    const pieces = [ada.vector, ada.copies].map((each) => Buffer.from(new Uint8Array(each.buffer)));
    pieces.push(Buffer.from(ada.source), Buffer.from(ada.crop ?? []).subarray(2500, 2600), Buffer.from("Unmistakable"));
    const before = await files();
    expect(pieces.map((piece) => before.includes(piece))).toEqual(pieces.map(() => true));
    await store.remove("Ada Unmistakable");
    const after = await files();
    expect(pieces.map((piece) => after.includes(piece))).toEqual(pieces.map(() => false));
    expect(after.includes(Buffer.from(bo.source))).toBe(true);
    const log = await store.audit();
    expect(log.map(({ action, faces }) => [action, faces])).toEqual([
      ["create", 0],
      ["add", 1],
      ["add", 1],
      ["remove", 1],
    ]);
    expect(JSON.stringify(log)).not.toContain("Unmistakable");
  });

  test("acknowledges a removal after which another process writes, and says what is left of it", async () => {
    const path = await newGallery();
    const database = await openDatabase(path, { patience: 20 });
    const other = await openDatabase(path);
    await using store = sqliteStore(path, database);
    await store.add("Ada", [faceOf("a")]);
    await store.add("Bo", [faceOf("b")]);
    // The lock is free for a moment between the removal and the writing of the file.
    const exec = database.exec.bind(database);
    database.exec = (text) => {
      if (text === "VACUUM") other.exec("BEGIN IMMEDIATE");
      exec(text);
    };
    const removal = await store.remove("Ada");
    expect(removal).toMatchObject({ faces: 1, people: 1 });
    const inFiles = Buffer.concat([await readFile(path), await readFile(`${path}-wal`).catch(() => Buffer.alloc(0))]);
    expect(inFiles.includes(Buffer.from(faceOf("a").source))).toBe(removal.found > 0);
    other.exec("ROLLBACK");
    other.close();
    database.exec = exec;
    expect((await store.people()).map(({ name }) => name)).toEqual(["Bo"]);
    await store.remove("Bo");
    expect(await store.check()).toEqual([]);
  });

  test.each(["person", "faces.id"] as const)(
    "finds the faces that a search asks for without going through the others (by %s)",
    async (column) => {
      const database = await openDatabase(await newGallery());
      const plan = database.prepare(`EXPLAIN QUERY PLAN ${chosenQuery(column)}`).all(1, "[5, 7, 7]");
      const steps = plan
        .map(({ detail }) => String(detail))
        .filter((step) => /^(SCAN|SEARCH) (faces|embeddings)/.test(step));
      expect(steps).toEqual([
        expect.stringMatching(column === "person" ? /^SEARCH faces .*\(person=\?\)/ : /^SEARCH faces .*\(rowid=\?\)/),
        expect.stringMatching(/^SEARCH embeddings .*\(model=\? AND face=\?\)/),
      ]);
      database.close();
    },
  );

  test("deletes single faces without leaving a byte, and the person with the last one", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    const [a, b] = [faceOf("a"), faceOf("b")];
    await store.add("Ada", [a, b]);
    await store.add("Bo", [faceOf("c")]);
    const [first, second, third] = (await store.faces()).map(({ id }) => id) as [number, number, number];
    expect(await store.crop(first)).toBeInstanceOf(Uint8Array);
    // Another person's face is passed over.
    expect(await store.removeFaces("Ada", [first, third, 999])).toMatchObject({ faces: 1, found: 0 });
    const file = await readFile(path);
    expect([a, b].map(({ source }) => file.includes(Buffer.from(source)))).toEqual([false, true]);
    expect((await store.people()).map(({ name, faces }) => [name, faces])).toEqual([
      ["Ada", 1],
      ["Bo", 1],
    ]);
    expect(await store.crop(first)).toBeNull();
    await store.removeFaces("Ada", [second]);
    expect((await store.people()).map(({ name }) => name)).toEqual(["Bo"]);
    expect(await store.check()).toEqual([]);
    await expect(store.removeFaces("Ada", [second])).rejects.toThrow('has no person called "Ada"');
  });

  test("is made once, and never over another file", async () => {
    const path = await newGallery();
    await expect(createGallery(path, recordOf(), plainSettings)).rejects.toThrow("is there already");
    const other = join(folder, "notes.txt");
    await writeFile(other, "notes");
    await expect(createGallery(other, recordOf(), plainSettings)).rejects.toThrow("is there already");
    expect(await readFile(other, "utf8")).toBe("notes");
  });
});

describe("one line says what is wrong", () => {
  test("with a file that is none, or of something else", async () => {
    await expect(openGallery(join(folder, "none.db"))).rejects.toThrow(
      "does not exist; make it with petalface gallery",
    );
    const text = join(folder, "text.db");
    await writeFile(text, "not a database at all, but long enough to have a header of one".repeat(40));
    await expect(openGallery(text)).rejects.toThrow("is no gallery");
    const other = join(folder, "other.db");
    const { DatabaseSync } = await loadSqlite();
    const database = new DatabaseSync(other);
    database.exec("CREATE TABLE t (x)");
    database.close();
    await expect(openGallery(other)).rejects.toThrow("is no gallery");
    await expect(openGallery(folder)).rejects.toThrow("is not a file");
  });

  test("with a file of a newer petalface", async () => {
    const path = await newGallery();
    const { DatabaseSync } = await loadSqlite();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    await expect(openGallery(path)).rejects.toThrow("has format 99");
  });

  test("with pages that were overwritten", async () => {
    const path = await newGallery();
    {
      await using store = await openGallery(path);
      for (let person = 0; person < 40; person++) await store.add(`person ${person}`, [faceOf(`p${person}`)]);
    }
    const { length } = await readFile(path);
    await using file = await open(path, "r+");
    // From the second page on: the first one says what the file is.
    await file.write(Buffer.alloc(length - pageBytes, 0xa5), 0, length - pageBytes, pageBytes);
    await expect(openGallery(path)).rejects.toThrow(/is damaged.*(restore|copy)/);
  });

  test("with a full disk: what was there stays, and nothing half is added", async () => {
    const path = await newGallery();
    const database = await openDatabase(path);
    await using store = sqliteStore(path, database);
    await store.add("Ada", [faceOf("a")]);
    const before = await contentOf(store);
    const pages = Object.values(database.prepare("PRAGMA page_count").get() ?? {})[0];
    database.exec(`PRAGMA max_page_count = ${Number(pages) + 3}`);
    // 5 KB each.
    const many = Array.from({ length: 60 }, (_, face) => faceOf(`b${face}`));
    await expect(store.add("Bo", many)).rejects.toThrow("the disk is full; free some space, then continue");
    expect(await contentOf(store)).toEqual(before);
    database.exec("PRAGMA max_page_count = 1000000");
    expect(await store.add("Bo", many)).toBe(60);
  });

  test("with a file that may only be read", async () => {
    const path = await newGallery();
    await using store = sqliteStore(path, await openDatabase(path, { readOnly: true }));
    expect(await store.people()).toEqual([]);
    await expect(store.add("Ada", [faceOf("a")])).rejects.toThrow("it is read-only");
  });
});
