import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGallery, openGallery } from "../../src/gallery/index.ts";
import { faceOf, plainSettings, recordOf } from "./fixtures.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-migration-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const renewed = (id: number) => ({ id, embedding: faceOf(`renewed ${id}`, 0.5) });

test("a migration continues where it was, waits for faces enrolled meanwhile, and changes the gallery at once", async () => {
  const path = join(folder, "g.db");
  await createGallery(path, recordOf("old"), plainSettings);
  const before = await (async () => {
    await using store = await openGallery(path);
    await store.add("Ada", [faceOf("a"), faceOf("b")]);
    await store.add("Bo", [faceOf("c")]);
    const migration = await store.migrate(recordOf("new"));
    expect(await migration.count()).toBe(3);
    const [first] = await migration.missing(0, 1);
    expect(first?.old.vector).toEqual(faceOf("a").vector);
    await migration.put([renewed(1)]);
    // Nothing has changed for those who search.
    expect((await store.record()).space.model).toBe("old");
    return await store.vectors();
  })();
  await using store = await openGallery(path);
  expect(await store.vectors()).toEqual(before);
  const migration = await store.migrate(recordOf("new"));
  expect((await migration.missing(0, 9)).map(({ id }) => id)).toEqual([2, 3]);
  expect(await migration.finish()).toBe(false);
  await migration.put([renewed(2), renewed(3)]);
  await store.add("Cem", [faceOf("d")]);
  expect(await migration.finish()).toBe(false);
  expect(await store.vectors()).toMatchObject({ faces: Int32Array.of(1, 2, 3, 4) });
  await migration.put([renewed(4)]);
  await store.remove("Bo");
  // A face that was removed meanwhile is not there again.
  await migration.put([renewed(3)]);
  expect(await migration.finish()).toBe(true);
  expect((await store.record()).space.model).toBe("new");
  const { faces, vectors, alpha } = await store.vectors();
  expect([...faces]).toEqual([1, 2, 4]);
  expect([...alpha]).toEqual([0.5, 0.5, 0.5]);
  expect([...vectors]).toEqual([1, 2, 4].flatMap((id) => [...faceOf(`renewed ${id}`).vector]));
  expect(await store.check()).toEqual([]);
  expect((await store.audit()).at(-1)).toMatchObject({ action: "migrate", faces: 3 });
});

test("a migration to a third model gives up the one before", async () => {
  const path = join(folder, "third.db");
  await createGallery(path, recordOf("old"), plainSettings);
  await using store = await openGallery(path);
  await store.add("Ada", [faceOf("a")]);
  await (await store.migrate(recordOf("new"))).put([renewed(1)]);
  expect(await (await store.migrate(recordOf("third"))).count()).toBe(1);
  expect(await (await store.migrate(recordOf("new"))).count()).toBe(1);
});
