import { spawnSync } from "node:child_process";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGallery, openGallery } from "../../src/gallery/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { findMount, mount, needsMount } from "../support/mount.ts";
import { contentOf, faceOf, plainSettings, recordOf } from "./fixtures.ts";

const canMount = await findMount();

describe.skipIf(!canMount)(`a gallery on a small disk (${needsMount})`, () => {
  const disk = join(temporaryFolder("petalface-gallery-disk-"), "disk");
  const path = join(disk, "g.db");

  beforeAll(async () => {
    await mkdir(disk);
    expect(mount(disk, "size=8m")).toBe(true);
    await createGallery(path, recordOf(), plainSettings);
  });
  // The index that was searched stays mapped until garbage is collected.
  afterAll(() => void spawnSync("umount", ["--lazy", disk]));

  /** Fills what is left of the disk but for some bytes. */
  const fill = (left: number): void => {
    const ballast = join(disk, "ballast");
    spawnSync("sh", ["-c", `cat /dev/zero > ${ballast}; truncate -s -${left} ${ballast}`]);
  };

  test("that is full keeps what was acknowledged, and continues when there is space", async () => {
    let people = 0;
    {
      await using store = await openGallery(path);
      const add = async (): Promise<void> => {
        for (; people < 1000; people++) await store.add(`p${people}`, [faceOf(`a${people}`), faceOf(`b${people}`)]);
      };
      await expect(add()).rejects.toMatchObject({
        code: "PETAL_OUTPUT_FAILED",
        message: expect.stringContaining("the disk is full; free some space, then continue"),
      });
      expect(people).toBeGreaterThan(5);
      expect((await contentOf(store)).size).toBe(2 * people);
    }
    expect(mount(disk, "remount", "size=32m")).toBe(true);
    await using store = await openGallery(path);
    expect(await store.check()).toEqual([]);
    expect((await store.people()).length).toBe(people);
    expect(await store.add(`p${people}`, [faceOf("later")])).toBe(1);
  });

  test("has no room even to read: the disk is full, and the gallery is not called damaged", async () => {
    fill(0);
    await expect(openGallery(path)).rejects.toMatchObject({
      code: "PETAL_OUTPUT_FAILED",
      message: `cannot write ${path}: the disk is full; free some space, then continue`,
    });
    await rm(join(disk, "ballast"));
    await using store = await openGallery(path);
    expect(await store.check()).toEqual([]);
  });

  test("has no room for an index: one line, and the index that is there is used", async () => {
    await using store = await openGallery(path);
    await store.buildIndex();
    const indexes = async () => (await readdir(disk)).filter((name) => name.includes(".index-")).sort();
    const before = await indexes();
    const unit = faceOf("a1").vector;
    const found = await store.nearest(unit, "faces", 5);
    const { size } = await stat(join(disk, before[0] ?? ""));
    fill(Math.floor(size / 2));
    await expect(store.buildIndex()).rejects.toMatchObject({
      code: "PETAL_OUTPUT_FAILED",
      message: expect.stringMatching(/^cannot write .*g\.db\.index-\w+-(faces|copies): the disk is full/),
    });
    expect(await indexes()).toEqual(before);
    expect(await store.nearest(unit, "faces", 5)).toEqual(found);
    expect(await store.check()).toEqual([]);
  });
});
