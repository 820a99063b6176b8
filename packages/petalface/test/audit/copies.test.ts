import fc from "fast-check";
import { itemAt } from "onnx-grad";
import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import { findCopies } from "../../src/audit/groups.ts";
import { findNear, nearBits } from "../../src/audit/near.ts";
import { hashDistance, hashFace } from "../../src/images/hash.ts";
import { drawFace, openFaceSpace, type Pixels, toPlanes } from "../../src/images/index.ts";
import { random } from "../../src/random.ts";

const size = 112;
const space = await openFaceSpace();
const face = (person: number): Pixels => drawFace(space, { seed: 8, person, image: 0 }, size);

function hashOf(pixels: Pixels): Uint32Array {
  const planes = new Uint8Array(3 * size * size);
  toPlanes(pixels, planes, 0);
  const hash = new Uint32Array(8);
  hashFace(planes, size, hash, 0);
  return hash;
}

const distance = (one: Uint32Array, other: Uint32Array): number => hashDistance(Uint32Array.of(...one, ...other), 0, 1);

async function changed(pixels: Pixels, change: (picture: Sharp) => Sharp): Promise<Pixels> {
  const { data, width, height } = pixels;
  const bytes = await change(sharp(data, { raw: { width, height, channels: 3 } })).toBuffer();
  return { width, height, data: new Uint8Array(await sharp(bytes).resize(size, size).raw().toBuffer()) };
}

describe("the perceptual hash", () => {
  test("hardly changes with a copy, and differs in about half of its bits between people", async () => {
    const hashes = Array.from({ length: 30 }, (_, person) => hashOf(face(person)));
    for (const [person, hash] of hashes.entries()) {
      const original = face(person);
      const copies = await Promise.all([
        changed(original, (picture) => picture.jpeg({ quality: 40 })),
        changed(original, (picture) => picture.resize(70).jpeg({ quality: 85 })),
        changed(original, (picture) => picture.linear(0.85, 12).png()),
      ]);
      for (const copy of copies) expect(distance(hash, hashOf(copy))).toBeLessThanOrEqual(nearBits);
      for (const other of hashes.slice(0, person)) expect(distance(hash, other)).toBeGreaterThan(nearBits + 10);
    }
  });

  test("sets half of its bits, and none on a picture of one colour", () => {
    const bits = (hash: Uint32Array): number => distance(hash, new Uint32Array(8));
    expect(bits(hashOf(face(1)))).toBe(128);
    const grey = { width: size, height: size, data: new Uint8Array(3 * size * size).fill(77) };
    expect(bits(hashOf(grey))).toBeLessThanOrEqual(128);
    expect(distance(hashOf(grey), hashOf(grey))).toBe(0);
  });

  test("distance counts differing bits", () => {
    const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const hash = fc.array(word, { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(hash, hash, (one, other) => {
        const differing = one
          .map((value, at) => (value ^ itemAt(other, at)) >>> 0)
          .reduce((sum, value) => sum + [...value.toString(2)].filter((bit) => bit === "1").length, 0);
        expect(distance(Uint32Array.from(one), Uint32Array.from(other))).toBe(differing);
      }),
    );
  });
});

/** Random hashes; some are copies of earlier ones with a given number of bits turned. */
function plant(count: number, copies: readonly { readonly of: number; readonly bits: number }[]) {
  const stream = random("hashes", count);
  const hashes = Uint32Array.from({ length: 8 * (count + copies.length) }, () => stream.uint32());
  copies.forEach(({ of, bits }, at) => {
    const copy = (count + at) * 8;
    hashes.copyWithin(copy, of * 8, of * 8 + 8);
    const turned = stream.shuffle(Array.from({ length: 256 }, (_, bit) => bit)).slice(0, bits);
    for (const bit of turned) hashes[copy + (bit >> 5)] = itemAt(hashes, copy + (bit >> 5)) ^ (1 << (bit & 31));
  });
  return hashes;
}

describe("the banded search", () => {
  test("finds every pair within 23 bits, nothing beyond 31, each once: what comparing all with all finds", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ of: fc.nat(199), bits: fc.nat(36) }), { maxLength: 25 }), (copies) => {
        const hashes = plant(200, copies);
        const count = 200 + copies.length;
        const { pairs, complete } = findNear(hashes, count);
        expect(complete).toBe(true);
        const keys = pairs.map(({ one, other }) => [Math.min(one, other), Math.max(one, other)].join());
        expect(new Set(keys).size).toBe(keys.length);
        const found = new Set(keys);
        const wrong: string[] = [];
        for (let one = 0; one < count; one++)
          for (let other = one + 1; other < count; other++) {
            const bits = hashDistance(hashes, one, other);
            if (found.has(`${one},${other}`) ? bits > nearBits : bits <= 23) wrong.push(`${one},${other}: ${bits}`);
          }
        expect(wrong).toEqual([]);
        for (const pair of pairs) expect(pair.distance).toBe(hashDistance(hashes, pair.one, pair.other));
      }),
      { numRuns: 12 },
    );
  });

  test("finds nearly all at 31 bits among forty thousand", () => {
    const copies = Array.from({ length: 400 }, (_, of) => ({ of, bits: 31 }));
    const { pairs } = findNear(plant(40_000, copies), 40_400);
    expect(pairs.length).toBeGreaterThanOrEqual(396);
    expect(pairs.length).toBeLessThanOrEqual(400);
  });

  test("does not drown in pictures that are all alike, and says so", () => {
    const { pairs, complete } = findNear(new Uint32Array(8 * 20_000), 20_000, { most: 5000 });
    expect([pairs.length, complete]).toEqual([5000, false]);
  });
});

test("groups are chains, exact copies are no near ones, and what cannot be read is in none", () => {
  const hashes = plant(50, [
    { of: 3, bits: 10 },
    { of: 50, bits: 20 },
    { of: 7, bits: 5 },
  ]);
  const digests = Uint32Array.from({ length: 4 * 53 }, (_, at) => at);
  // 20 and 31 are 9, pixel for pixel; 40 would be too, but cannot be read.
  for (const copy of [20, 31, 40]) {
    digests.copyWithin(4 * copy, 36, 40);
    hashes.copyWithin(8 * copy, 72, 80);
  }
  const unreadable = new Uint8Array(53);
  unreadable[40] = 1;
  unreadable[52] = 1;
  const { exact, near, complete } = findCopies({ count: 53, hashes, digests, unreadable, problems: [] });
  expect(complete).toBe(true);
  expect(exact).toEqual([{ members: [9, 20, 31], distance: 0 }]);
  expect(near.map(({ members }) => members)).toEqual([[3, 50, 51]]);
  expect(near[0]?.distance).toBeGreaterThanOrEqual(20);
});
