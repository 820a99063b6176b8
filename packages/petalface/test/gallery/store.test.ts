import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGallery, type GalleryStore, type NewFace, openGallery } from "../../src/gallery/index.ts";
import { loadSqlite, openDatabase } from "../../src/gallery/sqlite/driver.ts";
import { sqliteStore } from "../../src/gallery/sqlite/store.ts";
import { faceOf, plainSettings, recordOf, width } from "./fixtures.ts";

let folder: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-gallery-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function newGallery(): Promise<string> {
  const path = join(folder, `${count++}.db`);
  await createGallery(path, recordOf(), plainSettings);
  return path;
}

/** All that a gallery holds, by person and source. */
async function contentOf(store: GalleryStore): Promise<Map<string, { vector: number[]; copies: number[] }>> {
  const names = new Map((await store.people()).map(({ id, name }) => [id, name]));
  const vectors = await store.vectors();
  const faces = await store.faces();
  expect(faces.map(({ id }) => id)).toEqual([...vectors.faces]);
  return new Map(
    faces.map(({ person, source }, at) => [
      `${names.get(person)} ${Buffer.from(source).toString("hex")}`,
      {
        vector: [...vectors.vectors.subarray(at * width, (at + 1) * width)],
        copies: [...vectors.copies.subarray(at * width, (at + 1) * width)],
      },
    ]),
  );
}

const keyOf = (person: string, { source }: NewFace): string => `${person} ${Buffer.from(source).toString("hex")}`;

type Step =
  | { readonly kind: "add"; readonly person: string; readonly faces: readonly number[] }
  | { readonly kind: "remove"; readonly person: string }
  | { readonly kind: "reopen" };

const personName = fc.constantFrom("Ada", "Bo", "Čeněk", "d'Arc; DROP TABLE people", "");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      person: personName,
      faces: fc.array(fc.nat(9), { maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), person: personName }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);

describe("a gallery", () => {
  test("holds what a plain map holds, whatever is added and removed in whatever order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const path = await newGallery();
        let store = await openGallery(path);
        const plain = new Map<string, NewFace>();
        try {
          for (const each of steps) {
            if (each.kind === "reopen") {
              await store.close();
              store = await openGallery(path);
            } else if (each.kind === "add") {
              const faces = each.faces.map((face) => faceOf(`${each.person} ${face}`));
              const fresh = new Set(faces.map((face) => keyOf(each.person, face)).filter((key) => !plain.has(key)));
              expect(await store.add(each.person, faces)).toBe(fresh.size);
              for (const face of faces) plain.set(keyOf(each.person, face), face);
            } else {
              const own = [...plain.keys()].filter((key) => key.slice(0, -33) === each.person);
              if (own.length === 0) await expect(store.remove(each.person)).rejects.toThrow("has no person called");
              else {
                const { faces, fragments, found } = await store.remove(each.person);
                expect([faces, found]).toEqual([own.length, 0]);
                expect(fragments).toBeGreaterThan(own.length);
              }
              for (const key of own) plain.delete(key);
            }
          }
          const wanted = [...plain].map(([key, { vector, copies }]) => [
            key,
            { vector: [...vector], copies: [...copies] },
          ]);
          expect(await contentOf(store)).toEqual(new Map(wanted as [string, { vector: number[]; copies: number[] }][]));
          expect(await store.check()).toEqual([]);
          const people = new Set([...plain.keys()].map((key) => key.slice(0, -33)));
          expect(new Set((await store.people()).map(({ name }) => name))).toEqual(people);
        } finally {
          await store.close();
        }
      }),
      { numRuns: 15 },
    );
  });

  test("is read by one process while another writes", async () => {
    const path = await newGallery();
    await using writer = await openGallery(path);
    await using reader = await openGallery(path);
    await writer.add("Ada", [faceOf("a")]);
    expect(await reader.people()).toMatchObject([{ name: "Ada", faces: 1 }]);
    await writer.add("Bo", [faceOf("b", 0.25)]);
    expect((await reader.people()).map(({ name, lowestAlpha }) => [name, lowestAlpha])).toEqual([
      ["Ada", 1],
      ["Bo", 0.25],
    ]);
  });

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

  test("gives a person another name, and makes two people one", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    const [a, b, c] = [faceOf("a"), faceOf("b"), faceOf("c")];
    await store.add("Ada", [a, b]);
    await store.add("Bo", [b, c]);
    expect(await store.rename("Ada", "Ada King")).toBe(false);
    expect((await store.people()).map(({ name, faces }) => [name, faces])).toEqual([
      ["Ada King", 2],
      ["Bo", 2],
    ]);
    expect(await store.rename("Bo", "Ada King")).toBe(true);
    // The picture that both had is there once.
    expect((await store.people()).map(({ name, faces }) => [name, faces])).toEqual([["Ada King", 3]]);
    expect((await store.vectors()).vectors).toEqual(Float32Array.from([...a.vector, ...b.vector, ...c.vector]));
    expect(await store.check()).toEqual([]);
    await expect(store.rename("Nobody", "Bo")).rejects.toThrow('has no person called "Nobody"');
  });

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

  test("counts its changes, and gives the faces behind a given one", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    await using other = await openGallery(path);
    const start = await store.version();
    await other.add("Ada", [faceOf("a"), faceOf("b")]);
    expect(await store.version()).toBe(start + 1);
    await store.add("Ada", [faceOf("a")]);
    expect(await store.version(), "nothing was new").toBe(start + 1);
    const { faces } = await store.vectors();
    await store.add("Bo", [faceOf("c")]);
    const more = await store.vectors(faces.at(-1));
    expect(more.vectors).toEqual(faceOf("c").vector);
    await store.rename("Bo", "Ada");
    await store.removeFaces("Ada", [...more.faces]);
    await store.remove("Ada");
    expect(await other.version()).toBe(start + 5);
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
    await file.write(Buffer.alloc(8192, 0xa5), 0, 8192, Math.floor(length / 2 / 4096) * 4096);
    await expect(openGallery(path)).rejects.toThrow(/is damaged.*(restore|copy)/);
  });

  test("with an embedding whose bits changed, though the pages are sound", async () => {
    const path = await newGallery();
    {
      await using store = await openGallery(path);
      await store.add("Ada", [faceOf("a")]);
    }
    const { DatabaseSync } = await loadSqlite();
    const database = new DatabaseSync(path);
    database.exec("UPDATE embeddings SET alpha = 0.5");
    database.close();
    await using store = await openGallery(path);
    await expect(store.vectors()).rejects.toThrow("the embedding of face 1 is not what was written");
    expect(await store.check()).toEqual(["the embedding of face 1 is not what was written"]);
  });

  test("with a full disk: what was there stays, and nothing half is added", async () => {
    const path = await newGallery();
    const database = await openDatabase(path);
    await using store = sqliteStore(path, database);
    await store.add("Ada", [faceOf("a")]);
    const before = await contentOf(store);
    const pages = Object.values(database.prepare("PRAGMA page_count").get() ?? {})[0];
    database.exec(`PRAGMA max_page_count = ${Number(pages) + 3}`);
    const many = Array.from({ length: 20 }, (_, face) => faceOf(`b${face}`));
    await expect(store.add("Bo", many)).rejects.toThrow("the disk is full; free some space, then continue");
    expect(await contentOf(store)).toEqual(before);
    database.exec("PRAGMA max_page_count = 1000000");
    expect(await store.add("Bo", many)).toBe(20);
  });

  test("with a file that may only be read", async () => {
    const path = await newGallery();
    await using store = sqliteStore(path, await openDatabase(path, true));
    expect(await store.people()).toEqual([]);
    await expect(store.add("Ada", [faceOf("a")])).rejects.toThrow("it is read-only");
  });
});
