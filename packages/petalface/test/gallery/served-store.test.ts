import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGallery, openExactSearcher, openGallery, openServedStore } from "../../src/gallery/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { faceOf, lightFace, plainSettings, recordOf, width } from "./fixtures.ts";
import { holdLock } from "./lock-holder.ts";

const folder = temporaryFolder("petalface-served-");
let count = 0;
const threads: Worker[] = [];
const watch = (worker: Worker): void => void threads.push(worker);
const lost: string[] = [];
beforeEach(() => {
  threads.length = 0;
  lost.length = 0;
  process.on("worker", watch);
});
afterEach(() => void process.off("worker", watch));

async function newGallery(settings = plainSettings): Promise<string> {
  const path = join(folder, `${count++}.db`);
  await createGallery(path, recordOf(), settings);
  return path;
}

const open = (path: string, patience = 600_000) =>
  openServedStore(path, { patience, onLost: (reason) => lost.push(reason) });

test("a gallery in threads answers as the gallery itself", async () => {
  const path = await newGallery({ ...plainSettings, keepCrops: true });
  await using served = await open(path);
  const people = [
    { person: "Ada", faces: [faceOf("a"), faceOf("b", 0.5)] },
    { person: "Bo", faces: [faceOf("c")] },
    { person: "Cy", faces: [faceOf("d"), faceOf("e")] },
  ];
  expect(await served.addAll(people)).toEqual([2, 1, 2]);
  await using store = await openGallery(path);
  expect([served.path, served.settings]).toEqual([store.path, store.settings]);
  const ids = await store.ids(["Ada", "Cy", "nobody"]);
  const some = [...ids.values()];
  expect(await served.record()).toEqual(await store.record());
  expect(await served.version()).toBe(await store.version());
  // Rows of SQLite have no prototype.
  expect(await served.people()).toEqual((await store.people()).map((row) => ({ ...row })));
  expect(await served.count()).toBe(5);
  expect(await served.ids(["Ada", "Cy", "nobody"])).toEqual(ids);
  expect(await served.names(Int32Array.from(some))).toEqual(await store.names(some));
  expect(await served.faces(some)).toEqual((await store.faces(some)).map((row) => ({ ...row })));
  expect(await served.vectors()).toEqual(await store.vectors());
  expect(await served.read({ people: some })).toEqual(await store.read({ people: some }));
  expect(Buffer.from((await served.crop(1)) ?? [])).toEqual(Buffer.from(faceOf("a").crop ?? []));
  expect(await served.rename("Bo", "Ada")).toBe(true);
  expect(await served.removeFaces("Ada", [1])).toMatchObject({ faces: 1, people: 0, found: 0 });
  expect(await served.remove("Cy")).toMatchObject({ faces: 2, people: 1, found: 0 });
  expect((await store.people()).map(({ name, faces }) => [name, faces])).toEqual([["Ada", 2]]);
  await expect(served.remove("Cy")).rejects.toMatchObject({ code: "PETAL_PERSON_UNKNOWN" });
  expect(lost).toEqual([]);
});

test("exact search reads a gallery through a thread of its own", async () => {
  const path = await newGallery();
  await using served = await open(path);
  await served.addAll(Array.from({ length: 40 }, (_, at) => ({ person: `p${at}`, faces: [lightFace(at)] })));
  await using store = await openGallery(path);
  await using direct = await openExactSearcher(store, "quality", { threads: 1 });
  await using threaded = await openExactSearcher(served, "quality", { threads: 2 });
  const rows = Float32Array.from({ length: 3 * width }, (_, at) => Math.sin(at) / Math.sqrt(width));
  const probes = { rows, alpha: [1, 0.5, 0] };
  expect(await threaded.search(probes, 5)).toEqual(await direct.search(probes, 5));
});

test("reads go on while a change waits for another process, and the change is made once", async () => {
  const path = await newGallery();
  await using served = await open(path);
  await served.addAll([{ person: "Ada", faces: [faceOf("a")] }]);
  const lock = await holdLock(path);
  let isDone = false;
  const change = served.addAll([{ person: "Bo", faces: [faceOf("b"), faceOf("c")] }]).finally(() => {
    isDone = true;
  });
  for (let round = 0; round < 20; round++) expect((await served.people()).map(({ name }) => name)).toEqual(["Ada"]);
  expect(isDone).toBe(false);
  await lock.release();
  expect(await change).toEqual([2]);
  expect((await served.people()).map(({ name, faces }) => [name, faces])).toEqual([
    ["Ada", 1],
    ["Bo", 2],
  ]);
});

test("a change that waits too long is not made at all", async () => {
  const path = await newGallery();
  await using served = await open(path, 50);
  const lock = await holdLock(path);
  const faces = [faceOf("a"), faceOf("b")];
  await expect(served.addAll([{ person: "Ada", faces }])).rejects.toMatchObject({
    code: "PETAL_BUSY",
    message: `${path} is being written by another process; wait for it, then try again`,
  });
  await lock.release();
  expect(await served.count()).toBe(0);
  expect(await served.addAll([{ person: "Ada", faces }])).toEqual([2]);
});

test("a thread that ends by itself is replaced at the next call", async () => {
  const path = await newGallery();
  await using served = await open(path);
  await served.addAll([{ person: "Ada", faces: [faceOf("a")] }]);
  expect(threads).toHaveLength(2);
  for (const thread of threads.slice()) {
    const before = lost.length;
    await thread.terminate();
    await expect.poll(() => lost.length).toBe(before + 1);
    expect(await served.count()).toBe(before + 1);
    const name = `person ${before}`;
    expect(await served.addAll([{ person: name, faces: [faceOf(name)] }])).toEqual([1]);
  }
  expect(lost).toEqual([1, 2].map(() => "a gallery's thread has ended (exit code 1)"));
  expect(threads).toHaveLength(4);
});

test("what cannot be opened is refused as without threads", async () => {
  const part = await newGallery({ ...plainSettings, part: { set: "one", at: 0, of: 2 } });
  for (const path of [join(folder, "none.db"), folder, part]) {
    const why = await openGallery(path).then(String, String);
    expect(why).toMatch(/^PetalfaceError: /);
    await expect(open(path)).rejects.toThrow(why.slice("PetalfaceError: ".length));
  }
  // Nothing is left that would keep the file open.
  expect(threads.every(({ threadId }) => threadId === -1)).toBe(true);
});
