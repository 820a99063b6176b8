import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { type FaceData, openData } from "../../src/data/index.ts";
import { createNames, namesOf } from "../../src/data/listing/names.ts";
import { temporaryFolder } from "../support/folder.ts";

const base = temporaryFolder();
let sets = 0;

function tree(...names: string[]) {
  const root = join(base, `set ${sets++}`);
  for (const name of names) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, name);
  }
  const cache = join(base, `kept ${sets}`);
  // A list younger than the clock's tick is not kept, and a change time cannot be set back: so the
  // clock goes ahead.
  const open = async (spec = root): Promise<FaceData> => {
    const now = Date.now;
    Date.now = () => now() + 10_000;
    try {
      return await openData(spec, { cache, cacheFrom: 1 });
    } finally {
      Date.now = now;
    }
  };
  return { root, cache, open };
}

const kept = (cache: string) => readdirSync(cache).filter((name) => name.endsWith(".index"));
const describeSet = (data: FaceData) => ({
  length: data.length,
  people: data.people,
  fingerprint: data.fingerprint,
  skipped: data.skipped,
  unreadable: data.unreadable,
  samples: Array.from({ length: data.length }, (_, index) => data.at(index)),
});
/** What a list made without any cache says. */
const fresh = async (spec: string) => describeSet(await openData(spec, { cache: false }));

/**
 * Whether opening takes the kept list: one that is taken is not written again, so its file stays
 * the same one.
 */
async function isTaken(cache: string, open: () => Promise<FaceData>): Promise<boolean> {
  const path = join(cache, itemAt(kept(cache), 0));
  const { ino } = statSync(path);
  await open();
  return statSync(path).ino === ino;
}

describe("the list of a set", () => {
  it("is kept and read again, and says the same", async () => {
    const { root, cache, open } = tree("b/2.jpg", "a/é 😀.png", "a/1.jpg", "c/x.txt", "notes.md");
    symlinkSync("nowhere", join(root, "a", "gone.jpg"));
    const first = describeSet(await open());
    expect(kept(cache)).toHaveLength(1);
    expect(describeSet(await open())).toEqual(first);
    expect(first).toEqual(await fresh(root));
    expect(await isTaken(cache, open)).toBe(true);
    await wait(20);
    writeFileSync(join(root, "a", "3.jpg"), "");
    expect(await isTaken(cache, open)).toBe(false);
  });

  it("of a flat folder and of a manifest is kept too", async () => {
    const { root, open } = tree("2.jpg", "1.jpg", "x.txt");
    writeFileSync(join(root, "m.csv"), "path,person,quality\n2.jpg,z,1.5\n1.jpg,y,\n");
    for (const spec of [root, join(root, "m.csv")]) {
      const first = describeSet(await open(spec));
      expect(describeSet(await open(spec))).toEqual(first);
      expect(first).toEqual(await fresh(spec));
    }
  });

  it.each<[string, (root: string) => void]>([
    ["a file came", (root) => writeFileSync(join(root, "a", "0.jpg"), "x")],
    ["a file went", (root) => rmSync(join(root, "a", "1.jpg"))],
    ["a file was renamed", (root) => renameSync(join(root, "a", "1.jpg"), join(root, "a", "9.jpg"))],
    ["a person came", (root) => mkdirAndWrite(join(root, "0", "1.jpg"))],
    ["a person went", (root) => rmSync(join(root, "b"), { recursive: true })],
    ["a person was renamed", (root) => renameSync(join(root, "b"), join(root, "d"))],
    ["somebody without photos got one", (root) => writeFileSync(join(root, "none", "1.jpg"), "x")],
    ["a file was overwritten by a longer one", (root) => writeFileSync(join(root, "b", "1.jpg"), "longer than it was")],
    ["a link leads somewhere again", (root) => writeFileSync(join(root, "..", "target"), "x")],
    [
      "a file came and the folder's time was set back",
      (root) => {
        writeFileSync(join(root, "a", "0.jpg"), "x");
        utimesSync(join(root, "a"), new Date(0), new Date(0));
      },
    ],
  ])("is made anew where %s", async (_what, change) => {
    const { root, open } = tree("a/1.jpg", "a/2.jpg", "b/1.jpg", "none/x.txt");
    rmSync(join(root, "..", "target"), { force: true });
    symlinkSync(join("..", "..", "target"), join(root, "a", "3.jpg"));
    const before = describeSet(await open());
    // File systems tell times by a clock of a few milliseconds.
    await wait(20);
    change(root);
    const after = describeSet(await open());
    expect(after).not.toEqual(before);
    expect(after).toEqual(await fresh(root));
  });

  it("is made anew where a manifest's lines changed", async () => {
    const { root, open } = tree("1.jpg", "2.jpg");
    const path = join(root, "m.jsonl");
    writeFileSync(path, '{"path":"1.jpg"}\n');
    expect((await open(path)).at(0).id).toBe("1.jpg");
    await wait(20);
    writeFileSync(path, '{"path":"2.jpg"}\n');
    expect((await open(path)).at(0).id).toBe("2.jpg");
  });

  it("is made anew where its file is damaged in any way", async () => {
    const { root, cache, open } = tree("a/1.jpg", "b/1.jpg");
    const expected = await fresh(root);
    await open();
    const path = join(cache, itemAt(kept(cache), 0));
    const good = readFileSync(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), async (at, by, cut) => {
        const bad = Buffer.from(cut ? good.subarray(0, at) : good);
        if (!cut) bad[at] = itemAt(bad, at) ^ by;
        writeFileSync(path, bad);
        expect(describeSet(await open())).toEqual(expected);
        expect(readFileSync(path).length).toBe(good.length);
      }),
      { numRuns: 60 },
    );
  });

  it("is not taken for another set's", async () => {
    const one = tree("a/1.jpg");
    const other = tree("b/1.jpg", "b/2.jpg");
    await one.open();
    await other.open();
    const [from] = kept(one.cache);
    const [to] = kept(other.cache);
    writeFileSync(join(other.cache, to), readFileSync(join(one.cache, from)));
    expect((await other.open()).length).toBe(2);
  });

  it("is not kept of a folder that changed a moment ago, which may change again within the clock's tick", async () => {
    const { root, cache } = tree("a/1.jpg");
    await openData(root, { cache, cacheFrom: 1 });
    expect(() => kept(cache)).toThrow("ENOENT");
  });

  it("is not kept of a small set, nor where nothing can be written", async () => {
    const { root, cache, open } = tree("a/1.jpg");
    await openData(root, { cache });
    expect(() => kept(cache)).toThrow("ENOENT");
    writeFileSync(cache, "a file where a folder should be");
    expect((await open()).length).toBe(1);
  });

  it("goes when it was not used for longest and too many are kept", async () => {
    const { root, cache, open } = tree("a/1.jpg");
    mkdirSync(cache);
    for (let other = 0; other < 40; other++) {
      writeFileSync(join(cache, `${other}.index`), "");
      utimesSync(join(cache, `${other}.index`), 1000 + other, 1000 + other);
    }
    await open();
    expect(kept(cache)).toHaveLength(32);
    expect(kept(cache)).not.toContain("8.index");
    expect(kept(cache)).toContain("39.index");
    expect(describeSet(await open())).toEqual(await fresh(root));
  });
});

describe("names in one buffer", () => {
  it("are the names that were put in, also through their bytes", () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.constant("é😀".repeat(2000)));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 600 }), (texts) => {
        const builder = createNames();
        for (const name of texts) builder.push(name);
        const names = builder.finish();
        const again = namesOf(Uint8Array.from(names.bytes), Uint32Array.from(names.ends));
        expect(Array.from(texts, (_, at) => again.at(at))).toEqual(texts);
        expect(() => names.at(texts.length)).toThrow(RangeError);
      }),
    );
  });
});

function mkdirAndWrite(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "x");
}
