import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { basisSum } from "../../src/images/basis-sum.ts";
import { drawFace, faceSpacePath, openFaceSpace } from "../../src/images/index.ts";
import { random } from "../../src/random.ts";
import { encodeSafetensors } from "../../src/tensors/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { mean } from "./helpers.ts";

const folder = temporaryFolder();
const space = await openFaceSpace();

function distance(one: Uint8Array, other: Uint8Array): number {
  return Math.sqrt(mean(Float64Array.from(one, (value, at) => (value - other[at]) ** 2)));
}

describe("synthetic faces", () => {
  it("are the same everywhere and always", () => {
    const hash = createHash("sha256");
    for (const [seed, person, image] of [
      [0, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 0],
      [7, 123_456, 3],
    ] as const) {
      hash.update(drawFace(space, { seed, person, image }, 112).data);
    }
    expect(hash.digest("hex")).toMatchInlineSnapshot(
      `"a5cb2b82c29239cd383959bf897e768b40a51e1f16a61843afb9a6f186115970"`,
    );
  });

  it("do not depend on what was drawn before, nor on what became of it", async () => {
    const draw = { seed: 5, person: 9, image: 2 };
    const fresh = await openFaceSpace(faceSpacePath);
    const first = drawFace(fresh, draw, 224);
    // More than a space remembers of people and faces.
    for (let person = 0; person < 120; person++) drawFace(fresh, { seed: 5, person, image: 0 }, 224);
    expect(drawFace(fresh, draw, 224)).toEqual(first);
    expect(fresh.drawn.bytes).toBe(fresh.drawn.faces.size * 3 * 224 ** 2);
    expect(fresh.drawn.bytes).toBeLessThanOrEqual(2 ** 24);
    // Remembered, and the same although somebody changed what they got.
    for (let time = 0; time < 2; time++) {
      const { data } = drawFace(fresh, draw, 224);
      expect(data).toEqual(first.data);
      data.fill(0);
    }
    expect(drawFace(await openFaceSpace(faceSpacePath), draw, 224)).toEqual(first);
    expect(drawFace(fresh, { ...draw, image: 3 }, 224)).not.toEqual(first);
    expect(drawFace(fresh, draw, 56).width).toBe(56);
  });

  it("differ by seed, person and photo", () => {
    const draws = [
      [0, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 0],
      [0, 10, 0],
      [0, 1, 1],
    ] as const;
    const faces = draws.map(([seed, person, image]) => String(drawFace(space, { seed, person, image }, 56).data));
    expect(new Set(faces).size).toBe(draws.length);
  });

  it("scatter around the mean face", () => {
    const count = 600;
    const sums = new Float64Array(space.mean.length);
    for (let person = 0; person < count; person++) {
      drawFace(space, { seed: 11, person, image: 0 }, space.side).data.forEach((value, at) => {
        sums[at] += value / count;
      });
    }
    // One face is some 50 grey levels from the mean at a pixel, so 600 faces are 2; clipping at 0
    // and 255 adds a little.
    const errors = Float64Array.from(sums, (value, at) => value - space.mean[at]);
    expect(Math.abs(mean(errors))).toBeLessThan(2);
    expect(Math.sqrt(mean(errors.map((error) => error ** 2)))).toBeLessThan(4);
  });

  it("of one person are more alike than of two", () => {
    let same = 0;
    let other = 0;
    const face = (person: number, image: number) => drawFace(space, { seed: 12, person, image }, space.side).data;
    for (let person = 0; person < 100; person++) {
      same += distance(face(person, 0), face(person, 1));
      other += distance(face(person, 0), face(person + 1000, 1));
    }
    expect(same / other).toBeLessThan(0.95);
  });

  it.each([24, 56, 112, 120])("come in any size: %i px", (size) => {
    const { width, height, data } = drawFace(space, { seed: 0, person: 0, image: 0 }, size);
    expect([width, height, data.length]).toEqual([size, size, size * size * 3]);
    const reference = drawFace(space, { seed: 0, person: 0, image: 0 }, 56);
    expect(Math.abs(mean(data) - mean(reference.data))).toBeLessThan(1);
  });
});

describe("basisSum", () => {
  it.each([
    { rank: 1, length: 1 },
    { rank: 7, length: 16 },
    { rank: 8, length: 3 },
    { rank: 19, length: 21 },
    { rank: 24, length: 40_000 },
  ])("adds $rank rows of $length numbers with the bits of sums in order", ({ rank, length }) => {
    const stream = random("basis sum", rank, length);
    const basis = Int8Array.from({ length: rank * length }, () => stream.int(256) - 128);
    const shares = Float64Array.from({ length: rank }, () => stream.normal() / 3);
    const start = Float32Array.from({ length }, () => 100 * stream.normal());
    const grouped = rank - (rank % 8);
    const right = start.map((first, at) => {
      let sum = first;
      for (let row = 0; row < rank; row++) {
        sum += shares[row] * basis[row * length + at];
        if (row >= grouped || row % 8 === 7) sum = Math.fround(sum);
      }
      return sum;
    });
    const add = basisSum(basis, length);
    for (let time = 0; time < 2; time++) {
      const sums = start.slice();
      add(shares, sums);
      expect(sums).toEqual(right);
    }
  });
});

describe("openFaceSpace", () => {
  it("says what a wrong file lacks", async () => {
    const path = join(folder, "other.safetensors");
    writeFileSync(path, encodeSafetensors([["mean", { dtype: "F32", shape: [1], data: new Float32Array(1) }]]));
    await expect(openFaceSpace(path)).rejects.toThrow(`${path} is not a face space: it has no tensor "basis"`);
  });
});
