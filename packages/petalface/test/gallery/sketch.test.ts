import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newSketches, openSketches } from "../../src/gallery/sketch/index.ts";
import { sketcher } from "../../src/gallery/sketch/project.ts";
import { normaliseRows } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-sketch-");

const drawn = (width: number, ...seed: (string | number)[]): Float32Array => {
  const stream = random("sketch test", ...seed);
  return normaliseRows(
    Float32Array.from({ length: width }, () => stream.normal()),
    width,
  );
};

/** Bits that differ, counted one by one. */
const differing = (one: Uint32Array, other: Uint32Array): number =>
  one.reduce((sum, word, at) => sum + ((word ^ other[at]) >>> 0).toString(2).replaceAll("0", "").length, 0);

/** A unit embedding whose cosine with another is `cosine`. */
function near(unit: Float32Array, cosine: number, ...seed: (string | number)[]): Float32Array {
  const other = drawn(unit.length, ...seed);
  const along = unit.reduce((sum, value, at) => sum + value * other[at], 0);
  const side = normaliseRows(
    other.map((value, at) => value - along * unit[at]),
    unit.length,
  );
  return unit.map((value, at) => cosine * value + Math.sqrt(1 - cosine ** 2) * side[at]);
}

test.each([8, 100, 512, 1500])("signs of %i numbers differ as often as the angle says", (width) => {
  const sketch = sketcher(width);
  const signs = (unit: Float32Array): Uint32Array => {
    const out = new Uint32Array(34).fill(7);
    sketch(unit, out, 1);
    expect([out[0], out[33]]).toEqual([7, 7]);
    return out.slice(1, 33);
  };
  for (const cosine of [1, 0.8, 0.3, 0, -0.5]) {
    const shares = Array.from({ length: 20 }, (_, at) => {
      const unit = drawn(width, width, at);
      return differing(signs(unit), signs(near(unit, cosine, "near", at))) / 1024;
    });
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    // The mean of 20 x 1,024 signs; six deviations of independent ones.
    expect(Math.abs(mean - Math.acos(cosine) / Math.PI)).toBeLessThan(6 * Math.sqrt(0.25 / (20 * 1024)));
  }
  const unit = drawn(width, "scaled");
  expect(signs(unit.map((value) => 3 * value))).toEqual(signs(unit));
});

const width = 32;

/** An index of drawn people with ids from 1000 on. */
async function saved(name: string, count: number): Promise<string> {
  const index = newSketches(width);
  for (let start = 0; start < count; start += 999) {
    const rows = Array.from({ length: Math.min(999, count - start) }, (_, at) => start + at);
    const numbers = new Float32Array(rows.length * width);
    rows.forEach((row, at) => {
      numbers.set(drawn(width, row), at * width);
    });
    index.add(
      rows.map((row) => 1000 + row),
      numbers,
    );
  }
  expect(index.count).toBe(count);
  const file = join(folder, name);
  await index.save(file);
  return file;
}

test("the nearest of 70,000 are found, and several threads find the same", async () => {
  const file = await saved("many", 70_000);
  await using one = await openSketches(file, width, "g.db", { most: 1 });
  await using three = await openSketches(file, width, "g.db", { most: 3, least: 10_000 });
  for (const person of [0, 4095, 4096, 35_001, 69_999]) {
    const probe = near(drawn(width, person), 0.8, "probe", person);
    const found = await one.search(probe, 20);
    expect(found.length).toBe(20);
    expect(found[0]?.person).toBe(1000 + person);
    expect(Math.abs((found[0]?.cosine ?? 0) - 0.8)).toBeLessThan(0.15);
    const cosines = found.map(({ cosine }) => cosine);
    expect(cosines).toEqual(cosines.toSorted((a, b) => b - a));
    // Each thread chooses who is compared by all signs, so those far down may differ.
    expect((await three.search(probe, 20)).slice(0, 3)).toEqual(found.slice(0, 3));
  }
  expect(await one.search(drawn(width, 5), 0)).toEqual([]);
});

test("all of few people come, by all their signs", async () => {
  await using index = await openSketches(await saved("few", 50), width, "g.db");
  const probe = drawn(width, "stranger");
  const sketch = sketcher(width);
  const signs = (unit: Float32Array): Uint32Array => {
    const out = new Uint32Array(32);
    sketch(unit, out, 0);
    return out;
  };
  const expected = Array.from({ length: 50 }, (_, at) => ({
    person: 1000 + at,
    cosine: Math.cos((Math.PI * differing(signs(drawn(width, at)), signs(probe))) / 1024),
  })).sort((one, other) => other.cosine - one.cosine || one.person - other.person);
  expect(await index.search(probe, 256)).toEqual(expected);
  await using none = await openSketches(await saved("none", 0), width, "g.db");
  expect(await none.search(probe, 256)).toEqual([]);
});

test("a file that is damaged, cut off or another one is refused", async () => {
  const file = await saved("whole", 5000);
  const bytes = await readFile(file);
  expect(bytes.length).toBe(16 + 2 * 4 + 5000 * 132);
  const written = async (name: string, content: Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const changed = (at: number): Buffer => {
    const out = Buffer.from(bytes);
    out[at] = (out[at] ?? 0) ^ 4;
    return out;
  };
  for (const path of [
    await written("magic", changed(0)),
    await written("version", changed(4)),
    await written("people", changed(14)),
    await written("sum", changed(17)),
    await written("id", changed(25)),
    await written("sign", changed(bytes.length - 1)),
    await written("cut", bytes.subarray(0, -1)),
    await written("empty", new Uint8Array()),
    join(folder, "absent"),
  ])
    await expect(openSketches(path, width, "g.db")).rejects.toThrow(
      /cannot be read; build the index again with petalface gallery index g\.db$/,
    );
  await expect(openSketches(file, width + 1, "g.db")).rejects.toThrow(/cannot be read/);
});
