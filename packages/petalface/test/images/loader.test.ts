import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { PetalfaceError } from "../../src/errors.ts";
import {
  decodeImage,
  degrade,
  drawFace,
  flip,
  type ImageRequest,
  type ImageSource,
  openFaceSpace,
  openLoader,
  toPlanes,
} from "../../src/images/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { paint } from "./helpers.ts";

const size = 24;
const folder = temporaryFolder();
const space = await openFaceSpace();
const sources: ImageSource[] = [];
for (let image = 0; image < 6; image++) {
  const path = join(folder, `photo ${image}.png`);
  const { data, width, height } = paint(size, size, (x, y, channel) => (x * (image + 3) + y * 7 + channel * 50) % 256);
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(path);
  sources.push({ kind: "file", path }, { kind: "synthetic", seed: 1, person: image, image: 0 });
}
const loaders = [
  { name: "no thread", loader: openLoader({ size, threads: 0 }) },
  { name: "one thread", loader: openLoader({ size, threads: 1 }) },
  { name: "two threads", loader: openLoader({ size, threads: 2 }) },
  // Room for four of the twelve faces.
  {
    name: "two threads and a small cache",
    loader: openLoader({ size, threads: 2, cacheBytes: 4 * size * size * 3 + 1 }),
  },
  // Its own thread draws the first faces; from the first file on, others prepare them.
  {
    name: "two threads that start late and a small cache",
    loader: openLoader({ size, threads: 2, drawn: true, cacheBytes: 4 * size * size * 3 + 1 }),
  },
  { name: "two threads that start late, as there are few faces", loader: openLoader({ size, threads: 2, faces: 12 }) },
];
afterAll(() => Promise.all(loaders.map(({ loader }) => loader.close())));

async function direct(requests: readonly ImageRequest[]): Promise<Uint8Array> {
  const out = new Uint8Array(requests.length * size * size * 3);
  for (const [index, { source, flip: mirror, degrade: worse }] of requests.entries()) {
    if (source.kind !== "file" && source.kind !== "synthetic") throw new Error(source.kind);
    let pixels = source.kind === "file" ? await decodeImage(source.path, size) : drawFace(space, source, size);
    if (mirror) pixels = flip(pixels);
    if (worse !== undefined) pixels = degrade(pixels, worse);
    toPlanes(pixels, out, index * size * size * 3);
  }
  return out;
}

const request = fc.record({
  source: fc.constantFrom(...sources),
  flip: fc.boolean(),
  degrade: fc.option(
    fc.integer({ min: 2, max: 30 }).map((pixels) => ({ kind: "lr", pixels }) as const),
    { nil: undefined },
  ),
});

describe.each(loaders)("a loader with $name", ({ loader }) => {
  it("gives what decoding face by face gives, for any batches at once", async () => {
    const batches = fc.array(fc.array(request, { maxLength: 80 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(batches, async (lists) => {
        const loaded = await Promise.all(lists.map((list) => loader.load(list)));
        for (const [index, list] of lists.entries()) expect(loaded[index]).toEqual(await direct(list));
      }),
      { numRuns: 15 },
    );
  });

  it("names a file that is no good, and goes on working", async () => {
    const path = join(folder, "bad.jpg");
    writeFileSync(path, Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 1, 2, 3));
    const good = sources.map((source) => ({ source, flip: false }));
    const bad = { source: { kind: "file", path }, flip: false } as const;
    const failure = loader.load([...good, bad, ...good]);
    await expect(failure).rejects.toBeInstanceOf(PetalfaceError);
    await expect(failure).rejects.toThrow(path);
    expect(await loader.load(good)).toEqual(await direct(good));
  });
});

describe("openLoader", () => {
  const ports = (): number => process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length;
  const requestsOf = (kind: ImageSource["kind"]): ImageRequest[] =>
    sources.filter((source) => source.kind === kind).map((source) => ({ source, flip: false }));

  it.each([
    ["synthetic faces", "synthetic", { drawn: true }],
    ["a few pictures", "file", { faces: 64 }],
  ] as const)("starts no thread for %s, and one where they take longer than that", async (_, kind, how) => {
    const requests = requestsOf(kind);
    const wanted = await direct(requests);
    const before = ports();
    await using loader = openLoader({ size, threads: 1, ...how });
    /** Whether a thread has work while these are loaded. */
    const usesThread = async (): Promise<boolean> => {
      const loading = loader.load(requests);
      await new Promise((resolve) => setImmediate(resolve));
      const isBusy = ports() > before;
      expect(await loading).toEqual(wanted);
      return isBusy;
    };
    expect(await usesThread()).toBe(false);
    let rounds = 1;
    while (!(await usesThread())) expect(rounds++).toBeLessThan(100_000);
    expect(rounds).toBeGreaterThan(1);
  });

  it("starts a thread at once for more pictures", async () => {
    const before = ports();
    await using loader = openLoader({ size, threads: 1, faces: 65 });
    const loading = loader.load(requestsOf("file"));
    expect(ports()).toBeGreaterThan(before);
    expect(await loading).toEqual(await direct(requestsOf("file")));
  });

  it("hands bad faces to a function that wants them, and leaves their planes empty", async () => {
    const heard: [number, string][] = [];
    await using loader = openLoader({ size, threads: 2 });
    const requests = Array.from({ length: 9 }, (_, index): ImageRequest => {
      const missing = { kind: "file", path: join(folder, `absent ${index}.png`) } as const;
      return { source: index % 4 === 1 ? missing : sources[index], flip: false };
    });
    const planes = await loader.load(requests, (index, error) => heard.push([index, error.message]));
    expect(heard.map(([index]) => index)).toEqual([1, 5]);
    expect(heard[1]?.[1]).toContain("absent 5.png");
    const one = size * size * 3;
    for (const [index, request] of requests.entries()) {
      const expected = heard.some(([bad]) => bad === index) ? new Uint8Array(one) : await direct([request]);
      expect(planes.slice(index * one, (index + 1) * one)).toEqual(expected);
    }
  });

  it("reserves no more memory than the faces need", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    // Buffers of earlier tests may be freed meanwhile. The second collection waits until the first
    // has freed them.
    for (let time = 0; time < 2; time++) collectGarbage();
    const reserved = (): number => process.memoryUsage().arrayBuffers;
    const before = reserved();
    await using few = openLoader({ size, threads: 0, cacheBytes: 2 ** 29, faces: 4 });
    const between = reserved();
    await using many = openLoader({ size, threads: 0, cacheBytes: 2 ** 29 });
    expect(between - before).toBeLessThan(2 ** 24);
    expect(reserved() - between).toBeGreaterThan(2 ** 28);
    expect([few.size, many.size]).toEqual([size, size]);
  });

  it("keeps decoded faces, so that a file that is gone is still there", async () => {
    const path = join(folder, "kept.png");
    await sharp({ create: { width: size, height: size, channels: 3, background: "#123456" } })
      .png()
      .toFile(path);
    await using loader = openLoader({ size, threads: 1, cacheBytes: 1_000_000 });
    const request = { source: { kind: "file", path }, flip: false } as const;
    const before = await loader.load([request]);
    writeFileSync(path, "");
    expect(await loader.load([request])).toEqual(before);
  });

  it("refuses work after it was closed", async () => {
    const loader = openLoader({ size, threads: 1 });
    await loader.close();
    await loader.close();
    await expect(loader.load([])).rejects.toThrow("closed");
  });
});
