import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  createGallery,
  exportGallery,
  type GalleryStore,
  importGallery,
  openGallery,
} from "../../src/gallery/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { faceOf, plainSettings, recordOf } from "./fixtures.ts";

const folder = temporaryFolder("petalface-transfer-");
let path: string;
let file: string;

const allOf = async (store: GalleryStore) => {
  const faces = [];
  for await (const { id: _, ...face } of store.whole()) faces.push(face);
  return faces;
};

beforeAll(async () => {
  path = join(folder, "g.db");
  file = join(folder, "g.jsonl");
  await createGallery(path, recordOf(), { ...plainSettings, keepCrops: true });
  await using store = await openGallery(path);
  await store.add("Ada\nLovelace", [faceOf("a"), { ...faceOf("b", 0.1), score: null, crop: undefined }]);
  await store.add("Bo", [faceOf("c")]);
  await store.add("Ada\nLovelace", [faceOf("d")]);
  expect(await exportGallery(store, file)).toBe(4);
});

test("what was exported is imported: every bit, every date, settings and model", async () => {
  const copy = join(folder, "copy.db");
  expect(await importGallery(file, copy)).toBe(4);
  await using store = await openGallery(path);
  await using other = await openGallery(copy);
  expect(await allOf(other)).toEqual(await allOf(store));
  expect([await other.record(), other.settings]).toEqual([await store.record(), store.settings]);
  expect(await other.check()).toEqual([]);
  expect((await other.people()).map(({ name, faces }) => [name, faces])).toEqual([
    ["Ada\nLovelace", 3],
    ["Bo", 1],
  ]);
});

test("an export that was changed or cut off, or another file, is refused, and leaves nothing", async () => {
  const text = await readFile(file, "utf8");
  const lines = text.trimEnd().split("\n");
  const wrong: Readonly<Record<string, readonly [string, RegExp]>> = {
    changed: [text.replace('"alpha":0.1', '"alpha":0.9'), /damaged or cut off/],
    cut: [`${lines.slice(0, -1).join("\n")}\n`, /damaged or cut off/],
    shorter: [`${[...lines.slice(0, 2), lines.at(-1)].join("\n")}\n`, /damaged or cut off/],
    empty: ["", /is empty/],
    other: ["hello\n", /is no export of a gallery/],
    newer: [text.replace('"version":1', '"version":2'), /has format 2/],
  };
  for (const [name, [content, message]] of Object.entries(wrong)) {
    const bad = join(folder, `${name}.jsonl`);
    await writeFile(bad, content);
    await expect(importGallery(bad, join(folder, `${name}.db`))).rejects.toThrow(message);
  }
  await expect(importGallery(join(folder, "absent.jsonl"), join(folder, "absent.db"))).rejects.toThrow("cannot read");
  await expect(importGallery(file, path)).rejects.toThrow("is there already");
  const left = (await readdir(folder)).filter((name) => name.includes(".db"));
  expect(left.filter((name) => !["g.db", "copy.db"].includes(name) && !/^g\.db-(wal|shm)$/.test(name))).toEqual([]);
});
