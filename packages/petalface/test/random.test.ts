import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { random } from "../src/random.ts";

function moments(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, variance };
}

describe("random", () => {
  it("gives the same stream for the same seed, on every machine", () => {
    const stream = random("a seed", 7);
    expect(Array.from({ length: 5 }, stream.uint32)).toMatchInlineSnapshot(`
      [
        3377385938,
        1822421466,
        3747463033,
        758533850,
        3413348480,
      ]
    `);
  });

  it("gives unrelated streams for seeds that look alike", () => {
    const seeds = [
      [1],
      ["1"],
      [-1],
      [1, 1],
      [11],
      ["1,1"],
      ["n1"],
      ["ab"],
      ["a", "b"],
      ["a,s1:b"],
      [""],
      [],
      [0],
      ["é"],
      [2 ** 53 - 1],
    ];
    const streams = seeds.map((seed) => random(...seed));
    expect(new Set(streams.map((stream) => stream.uint32())).size).toBe(seeds.length);
    const bits = Array.from({ length: 2000 }, (_, seed) => random(seed).uint32());
    for (let bit = 0; bit < 32; bit++) {
      const share = bits.filter((value) => (value >>> bit) & 1).length / bits.length;
      expect(Math.abs(share - 0.5)).toBeLessThan(0.06);
    }
  });

  it("is uniform on [0, 1)", () => {
    const stream = random("uniform");
    const values = Array.from({ length: 20_000 }, stream.uniform);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const { mean, variance } = moments(values);
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(0.01);
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.003);
  });

  it("is normal", () => {
    const stream = random("normal");
    const values = Array.from({ length: 20_000 }, stream.normal);
    const { mean, variance } = moments(values);
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
    // 68.27 % within one standard deviation, 4.55 % beyond two.
    expect(Math.abs(values.filter((value) => Math.abs(value) < 1).length / values.length - 0.6827)).toBeLessThan(0.012);
    expect(Math.abs(values.filter((value) => Math.abs(value) > 2).length / values.length - 0.0455)).toBeLessThan(0.006);
    // Neighbours come from one pair of uniforms and must still be independent.
    const products = values.slice(1).map((value, at) => value * itemAt(values, at));
    expect(Math.abs(moments(products).mean)).toBeLessThan(0.03);
  });

  it("draws every whole number below a bound equally often", () => {
    const stream = random("int");
    const counts = new Float64Array(7);
    for (let draw = 0; draw < 14_000; draw++) {
      const value = stream.int(7);
      counts[value] = itemAt(counts, value) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
    expect(stream.int(1)).toBe(0);
    expect(() => stream.int(0)).toThrow(RangeError);
    expect(() => stream.int(1.5)).toThrow(RangeError);
  });

  it("shuffles in place and loses nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.nat(), (items, seed) => {
        const shuffled = items.slice();
        expect(random(seed).shuffle(shuffled)).toBe(shuffled);
        expect(shuffled.toSorted((a, b) => a - b)).toEqual(items.toSorted((a, b) => a - b));
      }),
    );
  });

  it("shuffles to every order equally often", () => {
    const counts = new Map<string, number>();
    const stream = random("orders");
    for (let round = 0; round < 6000; round++) {
      const order = String(stream.shuffle([1, 2, 3]));
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(130);
  });
});
