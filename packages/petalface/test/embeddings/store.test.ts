import { mkdir, mkdtemp, open, readdir, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Embedder } from "../../src/backbones/index.ts";
import { embedFaces, openEmbeddingStore } from "../../src/embeddings/index.ts";
import { createKeyIndex } from "../../src/embeddings/key-index.ts";
import type { ImageRequest } from "../../src/images/index.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "embeddings-日本-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const numbers = 3;
const options = { identity: "a model", numbers, limit: 1e9 };
const key = (n: number) => Uint32Array.of(n, n * 7, 1, 2);
const rows = (...all: number[]) => Float32Array.from(all.flatMap((n) => [n, n / 3, -n]));
const files = async (): Promise<string[]> =>
  (await readdir(root, { recursive: true }))
    .filter((name) => /\.(rows|keys)$/.test(name))
    .map((name) => join(root, name));

test("the index finds the latest of equal keys and nothing else", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 3000 }), (drawn) => {
      const index = createKeyIndex();
      const last = new Map<number, number>();
      drawn.forEach((n, place) => {
        // Few first words, so that many keys start at one slot.
        index.add(Uint32Array.of(n % 5, n, 0, 0));
        last.set(n, place);
      });
      expect(index.size).toBe(drawn.length);
      for (let n = 0; n <= 301; n++) expect(index.find(Uint32Array.of(n % 5, n, 0, 0))).toBe(last.get(n) ?? -1);
    }),
    { numRuns: 20 },
  );
});

describe("kept embeddings", () => {
  test("come back with their bits, in the same process and in the next, for the same model only", async () => {
    const store = await openEmbeddingStore({ root, ...options });
    await store.put([key(1), key(2)], rows(1, 2));
    await store.put([key(3)], rows(3));
    expect(await store.get([key(3), key(9), key(1)])).toEqual([rows(3), undefined, rows(1)]);
    await store.close();
    const again = await openEmbeddingStore({ root, ...options });
    await again.put([key(4)], rows(4));
    expect(await again.get([1, 2, 3, 4].map(key))).toEqual([rows(1), rows(2), rows(3), rows(4)]);
    await again.close();
    for (const other of [{ identity: "another" }, { numbers: 4 }]) {
      const stranger = await openEmbeddingStore({ root, ...options, ...other });
      expect(await stranger.get([key(1)])).toEqual([undefined]);
      await stranger.close();
    }
  });

  test("cut off at any byte, whole rows are still there and nothing else is", async () => {
    const store = await openEmbeddingStore({ root, ...options });
    await store.put([1, 2, 3].map(key), rows(1, 2, 3));
    await store.close();
    const [keys, values] = (await files()).sort() as [string, string];
    for (const [path, unit] of [
      [values, 12],
      [keys, 20],
    ] as const)
      for (let size = (await stat(path)).size - 1; size >= 0; size -= 5) {
        await truncate(path, size);
        const cut = await openEmbeddingStore({ root, ...options });
        const whole = Math.floor(Math.min((await stat(values)).size / 12, (await stat(keys)).size / 20));
        expect(whole).toBeLessThanOrEqual(Math.floor(size / unit));
        const found = await cut.get([1, 2, 3].map(key));
        expect(found).toEqual([1, 2, 3].map((n) => (n <= whole ? rows(n) : undefined)));
        await cut.close();
      }
  });

  test("damaged bytes are not believed", async () => {
    const store = await openEmbeddingStore({ root, ...options });
    await store.put([1, 2].map(key), rows(1, 2));
    await store.close();
    const path = (await files()).find((name) => name.endsWith(".rows")) as string;
    {
      await using file = await open(path, "r+");
      await file.write(Uint8Array.of(99), 0, 1, 5);
    }
    const again = await openEmbeddingStore({ root, ...options });
    expect(await again.get([1, 2].map(key))).toEqual([undefined, rows(2)]);
    await again.close();
  });

  test("two processes write beside each other", async () => {
    const [a, b] = [await openEmbeddingStore({ root, ...options }), await openEmbeddingStore({ root, ...options })];
    await a.put([key(1)], rows(1));
    await b.put([key(2)], rows(2));
    await Promise.all([a.close(), b.close()]);
    const both = await openEmbeddingStore({ root, ...options });
    expect(await both.get([1, 2].map(key))).toEqual([rows(1), rows(2)]);
    await both.close();
  });

  test("the longest unused go first when they take too much; a run's own only at its end", async () => {
    for (const [place, identity] of ["old", "new"].entries()) {
      const store = await openEmbeddingStore({ root, ...options, identity });
      await store.put([key(1)], rows(1));
      await store.close();
      for (const path of await files())
        if (Date.now() - (await stat(path)).mtimeMs < 1e6) await utimes(path, new Date(), new Date(1e12 + place * 1e9));
    }
    const bytes = 12 + 20;
    const third = await openEmbeddingStore({ root, ...options, identity: "third", limit: 2 * bytes });
    await third.put([key(1)], rows(1));
    expect(await files()).toHaveLength(6);
    await third.close();
    expect(await files()).toHaveLength(4);
    const left = async (identity: string) => {
      const store = await openEmbeddingStore({ root, ...options, identity });
      const [row] = await store.get([key(1)]);
      await store.close();
      return row !== undefined;
    };
    expect([await left("old"), await left("new"), await left("third")]).toEqual([false, true, true]);
  });

  test("a place that cannot be written is an error that says so", async () => {
    await writeFile(join(root, "file"), "");
    await expect(openEmbeddingStore({ root: join(root, "file"), ...options })).rejects.toThrow(/cannot write/);
  });
});

describe("embedding faces", () => {
  /** Embeds the sum of a face's bytes; counts what it is asked for. */
  const counting = (batch: number, alpha: boolean): Embedder & { calls: number[] } => ({
    size: 1,
    width: 2,
    batch,
    calls: [],
    async embed(pixels, count) {
      this.calls.push(count);
      const data = Float32Array.from({ length: count * 2 }, (_, i) => itemAt(pixels, i >> 1) + (i % 2) / 2);
      return { count, width: 2, data, ...(alpha && { alpha: data.filter((_, i) => i % 2 === 0) }) };
    },
    close: async () => {},
  });
  const loader = {
    load: async (requests: readonly ImageRequest[]) =>
      Uint8Array.from(
        requests,
        ({ source, flip }) => (source.kind === "synthetic" ? source.image : 0) + (flip ? 100 : 0),
      ),
  };
  const request = (image: number): ImageRequest => ({
    source: { kind: "synthetic", seed: 1, person: 1, image },
    flip: false,
  });
  const collect = async (
    count: number,
    embedder: Embedder,
    store?: Awaited<ReturnType<typeof openEmbeddingStore>>,
    start = 0,
  ) => {
    const data: number[] = [];
    const alphas: number[] = [];
    let kept = 0;
    for await (const part of embedFaces(count, (i) => request(start + i), { embedder, loader, store })) {
      expect(part.start).toBe(data.length / 2);
      data.push(...part.data);
      alphas.push(...(part.alpha ?? []));
      kept += part.kept;
    }
    return { data, alphas, kept };
  };

  test.each([true, false])("order and values do not depend on what was kept (alpha %s)", async (alpha) => {
    const settings = { root, identity: "e", numbers: alpha ? 3 : 2, limit: 1e9 };
    const plain = await collect(200, counting(4, alpha));
    expect(plain.data.filter((_, i) => i % 2 === 0)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(plain.alphas).toHaveLength(alpha ? 200 : 0);
    const store = await openEmbeddingStore(settings);
    // Every other run of ten first.
    for (let start = 0; start < 200; start += 20) await collect(10, counting(4, alpha), store, start);
    const embedder = counting(4, alpha);
    const mixed = await collect(200, embedder, store);
    expect(mixed).toEqual({ ...plain, kept: 100 });
    // What is missing fills whole batches: 100 faces in 25 of them, one more where a window ends.
    expect(embedder.calls.length).toBeLessThanOrEqual(25 + 4);
    await store.close();
    const again = await openEmbeddingStore(settings);
    const idle = counting(4, alpha);
    expect(await collect(200, idle, again)).toEqual({ ...plain, kept: 200 });
    expect(idle.calls).toEqual([]);
    await again.close();
  });

  test("the same bytes under another name are the same face; flipped or degraded they are not", async () => {
    await mkdir(join(root, "faces"));
    const paths = ["a.png", "ü b.png"].map((name) => join(root, "faces", name));
    for (const path of paths) await writeFile(path, "the same");
    const store = await openEmbeddingStore({ root: join(root, "kept"), identity: "e", numbers: 2, limit: 1e9 });
    const embedder = counting(4, false);
    const asked = (more: object): ImageRequest[] =>
      paths.map((path) => ({ source: { kind: "file", path }, flip: false, ...more }));
    const kept = async (requests: ImageRequest[]) => {
      const counts: number[] = [];
      for (const one of requests)
        for await (const part of embedFaces(1, () => one, { embedder, loader, store })) counts.push(part.kept);
      return counts;
    };
    expect(await kept(asked({}))).toEqual([0, 1]);
    expect(await kept(asked({ flip: true }))).toEqual([0, 1]);
    expect(await kept(asked({ degrade: { kind: "lr", pixels: 8 } }))).toEqual([0, 1]);
    expect(await kept(asked({ degrade: { kind: "lr", pixels: 9 } }))).toEqual([0, 1]);
    // A part of a file is known by its bytes too: the file is written anew, the part is not what it
    // was.
    const packed = join(root, "packed.bin");
    const part = (offset: number): ImageRequest[] => [
      { source: { kind: "bytes", path: packed, offset, length: 4, number: 1 }, flip: false },
    ];
    await writeFile(packed, "AAAABBBBAAAA");
    expect([await kept(part(0)), await kept(part(4)), await kept(part(8))]).toEqual([[0], [0], [1]]);
    await writeFile(packed, "CCCCBBBBAAAA");
    expect([await kept(part(0)), await kept(part(4)), await kept(part(8))]).toEqual([[0], [1], [1]]);
    await store.close();
  });
});
