import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { itemAt } from "onnx-grad";
import { describe, expect, test } from "vitest";
import { blockFaces } from "../../src/gallery/codes.ts";
import {
  createGallery,
  type GalleryStore,
  type NewFace,
  openGallery,
  openGallerySearcher,
  openIndexedSearcher,
} from "../../src/gallery/index.ts";
import { normaliseRows } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";
import { temporaryFolder } from "../support/folder.ts";
import { embeddingBy, facesOfPerson, lightFace, meanOf, plainSettings, recordOf, width } from "./fixtures.ts";

const folder = temporaryFolder("petalface-index-");

const people = 150;

async function gallery(name: string): Promise<GalleryStore> {
  const path = join(folder, name);
  await createGallery(path, recordOf(), plainSettings);
  const store = await openGallery(path);
  for (let person = 0; person < people; person++)
    await store.add(`person ${person}`, facesOfPerson(`person ${person}`, "model"));
  return store;
}

const indexFiles = async (name: string): Promise<string[]> =>
  (await readdir(folder)).filter((file) => file.startsWith(`${name}.index-`)).sort();

/** Faces to look for: somewhere near enrolled ones. */
function probes(count: number) {
  const rows = new Float32Array(count * width);
  for (let at = 0; at < count; at++) {
    const stream = random("probe", at);
    const near = itemAt(facesOfPerson(`person ${(7 * at) % people}`, "model"), at % 3).vector;
    rows.set(
      near.map((value) => value + 0.1 * stream.normal()),
      at * width,
    );
  }
  return { rows: normaliseRows(rows, width), alpha: Array.from({ length: count }, (_, at) => (at % 3) / 2) };
}

describe("the index of a gallery's file", () => {
  test("finds who exact search finds, also what was added later", async () => {
    await using store = await gallery("found.db");
    const [settings, before] = [store.settings, await store.version()];
    await expect(store.nearest(new Float32Array(width), "faces", 1)).rejects.toThrow(/has no index; build it with/);
    const seen: number[] = [];
    await store.buildIndex({ onProgress: (done) => seen.push(done) });
    expect(seen.at(-1)).toBe(3 * people);
    expect(await indexFiles("found.db")).toHaveLength(2);
    const names = ["somebody later", "another"];
    for (const name of names) await store.add(name, facesOfPerson(name, "model"));
    await using exact = await openGallerySearcher(store, "mean", { threads: 1 });
    await using indexed = await openIndexedSearcher(store, "mean");
    expect(indexed.kind).toContain("sketches");
    const [one, other] = [await exact.search(probes(60), 1), await indexed.search(probes(60), 1)];
    const same = one.filter((list, at) => list[0]?.person === other[at]?.[0]?.person);
    expect(same.length).toBeGreaterThanOrEqual(59);
    const rows = normaliseRows(itemAt(facesOfPerson("another", "model"), 1).vector, width);
    const [added = 0] = (await store.ids(["another"])).values();
    expect(await store.nearest(rows, "faces", 1)).toEqual([{ person: added, cosine: expect.closeTo(1, 3) }]);
    // It is a note of the store, and neither a setting nor a change.
    expect([store.settings, await store.version()]).toEqual([settings, before + 2]);
    await using again = await openGallery(join(folder, "found.db"));
    expect(again.settings).toEqual(settings);
    expect(await again.check()).toEqual([]);
  });

  test("stays in use while another one is built, and when that is interrupted", async () => {
    await using store = await gallery("kept.db");
    await store.buildIndex();
    const files = await indexFiles("kept.db");
    const unit = meanOf("person 9");
    const before = await store.nearest(unit, "faces", 5);
    expect(before[0]?.cosine).toBeCloseTo(1, 1);
    expect(before.map(({ cosine }) => cosine)).toEqual(before.map(({ cosine }) => cosine).toSorted((a, b) => b - a));
    const stop = new AbortController();
    const built = store.buildIndex({ signal: stop.signal, onProgress: () => stop.abort(new Error("interrupted")) });
    await expect(built).rejects.toThrow("interrupted");
    expect(await indexFiles("kept.db")).toEqual(files);
    await using other = await openGallery(join(folder, "kept.db"));
    for (const each of [store, other]) expect(await each.nearest(unit, "faces", 5)).toEqual(before);
    expect(await store.check()).toEqual([]);
    const merging = store.buildIndex({ onProgress: () => void other.rename("person 8", "person 9") });
    await expect(merging).rejects.toThrow(/people merged, while the index was built; build it again/);
    expect(await indexFiles("kept.db")).toEqual(files);
    const [both = 0] = (await store.ids(["person 9"])).values();
    for (const each of [store, other])
      expect((await each.nearest(unit, "faces", 5)).map(({ person }) => person)).toContain(both);
  });

  test("of an earlier version, which is of faces, is built again", async () => {
    await using store = await gallery("old.db");
    await store.buildIndex();
    const database = new DatabaseSync(join(folder, "old.db"));
    database.exec("UPDATE settings SET value = json_remove(value, '$.merged') WHERE key = 'index'");
    database.close();
    await expect(store.nearest(new Float32Array(width), "faces", 1)).rejects.toThrow(/has no index that fits; build/);
  });

  test("is built of many people, and knows their copies", async () => {
    const path = join(folder, "blocks.db");
    await createGallery(path, recordOf(), plainSettings);
    await using store = await openGallery(path);
    const stream = random("blocks");
    const draw = (size: number): Float32Array => Float32Array.from({ length: width }, () => size * stream.normal());
    // Every other face has copies.
    const faces = Array.from(
      { length: 2 * blockFaces + 300 },
      (_, number): NewFace => ({ ...lightFace(number), vector: draw(1), copies: draw(number % 2) }),
    );
    await store.addAll(faces.map((face, number) => ({ person: `p${number}`, faces: [face] })));
    const gone = await store.remove("p4000");
    expect([gone.faces, gone.found]).toEqual([1, 0]);
    let last = 0;
    await store.buildIndex({ onProgress: (done) => (last = done) });
    expect(last).toBe(faces.length - 1);
    expect(await store.check()).toEqual([]);
    for (const number of [1, 4095, 4097, 8193, 8301, 8491]) {
      const face = itemAt(faces, number);
      const [id = 0] = (await store.ids([`p${number}`])).values();
      const sharp = await store.nearest(normaliseRows(face.vector, width), "faces", 20);
      expect(sharp.map(({ person }) => person)).toContain(id);
      const copies = await store.nearest(normaliseRows(face.copies, width), "copies", 20);
      expect(copies.map(({ person }) => person)).toContain(id);
    }
  });

  test("goes with every removal, for all who have the gallery open", async () => {
    await using store = await gallery("gone.db");
    await using other = await openGallery(join(folder, "gone.db"));
    await store.buildIndex();
    const unit = meanOf("person 9");
    const [id = 0] = (await store.ids(["person 9"])).values();
    const found = async (): Promise<number[]> => (await other.nearest(unit, "faces", 5)).map(({ person }) => person);
    expect(await found()).toContain(id);
    // Another name changes nothing in it.
    await store.rename("person 9", "person 10");
    const [both = 0] = (await store.ids(["person 10"])).values();
    expect(await found()).toContain(both);
    await store.rename("person 10", "person 11");
    const [three = 0] = (await store.ids(["person 11"])).values();
    expect([await found(), await store.check()]).toEqual([expect.arrayContaining([three]), []]);
    expect(await store.remove("person 11")).toMatchObject({ faces: 9, found: 0 });
    expect(await indexFiles("gone.db")).toEqual([]);
    for (const each of [store, other]) await expect(each.nearest(unit, "faces", 5)).rejects.toThrow(/has no index/);
    // What a killed process left is deleted with the next build.
    await writeFile(join(folder, "gone.db.index-00000000-faces.part"), "half");
    await store.buildIndex();
    expect((await indexFiles("gone.db")).map((file) => file.replace(/index-\w+-/, ""))).toEqual([
      "gone.db.copies",
      "gone.db.faces",
    ]);
    expect(await found()).not.toContain(three);
    const date = "2020-01-01T00:00:00.000Z";
    await store.add(
      "dated",
      facesOfPerson("dated", "model").map((face) => ({ ...face, keepUntil: date })),
    );
    await store.forgetExpired("2026-01-01T00:00:00.000Z");
    expect(await indexFiles("gone.db")).toEqual([]);
    // Of two people with the same picture one copy goes.
    for (const name of ["twice", "person 1"]) await store.add(name, [lightFace(7)]);
    await store.buildIndex();
    await store.rename("twice", "person 1");
    expect([await indexFiles("gone.db"), await store.check()]).toEqual([[], []]);
  });

  test("is of one model, and is missed when its file is gone", async () => {
    await using store = await gallery("moved.db");
    await store.buildIndex();
    const migration = await store.migrate(recordOf("other"));
    const missing = await migration.missing(0, 3 * people);
    await migration.put(missing.map(({ id, source }) => ({ id, embedding: embeddingBy(source, "other") })));
    expect(await migration.finish()).toBe(true);
    expect(await indexFiles("moved.db")).toEqual([]);
    await store.buildIndex();
    expect(await store.check()).toEqual([]);
    for (const file of await indexFiles("moved.db")) await rm(join(folder, file));
    const problem = "the index and the faces differ; petalface gallery index builds it again";
    expect(await store.check()).toEqual([problem]);
    await using again = await openGallery(join(folder, "moved.db"));
    await expect(again.nearest(new Float32Array(width).fill(1), "faces", 1)).rejects.toThrow(/cannot be read; build/);
  });
});
