import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { freshMoments, optimize, optimizeParts } from "../../src/training/optimiser/optimizer.ts";
import { sgd } from "../../src/training/optimiser/sgd.ts";

describe("sgd", () => {
  it("goes the steps that PyTorch's documentation gives, worked out by hand", () => {
    const options = { rate: 0.1, weightDecay: 0.5, momentum: 0.9, gradientScale: 1 };
    const plain = Float32Array.of(1);
    const velocity = new Float32Array(1);
    // g = 2 + 0.5 * 1 = 2.5, v = 2.5, p = 1 - 0.25; then g = 2 + 0.375, v = 2.25 + 2.375, p = 0.75
    // - 0.4625.
    sgd(plain, Float32Array.of(2), velocity, { ...options, nesterov: false });
    expect(plain[0]).toBeCloseTo(0.75, 6);
    sgd(plain, Float32Array.of(2), velocity, { ...options, nesterov: false });
    expect(plain[0]).toBeCloseTo(0.2875, 6);
    expect(velocity[0]).toBeCloseTo(4.625, 6);
    // Nesterov's first step is 0.1 * (2.5 + 0.9 * 2.5).
    const ahead = Float32Array.of(1);
    sgd(ahead, Float32Array.of(2), new Float32Array(1), { ...options, nesterov: true });
    expect(ahead[0]).toBeCloseTo(0.525, 6);
  });

  it.each([
    { nesterov: false, expected: [0.439114928, -1.72241223, 1.06330419] },
    { nesterov: true, expected: [0.337968081, -1.64873433, 1.26520038] },
  ])("gives PyTorch 2.15's numbers after three steps (nesterov: $nesterov)", ({ nesterov, expected }) => {
    const values = Float32Array.of(1, -2, 0.5);
    const velocity = new Float32Array(3);
    const options = { rate: 0.1, weightDecay: 0.05, momentum: 0.9, nesterov, gradientScale: 1 };
    for (const gradient of [
      [2, -1, 0.3],
      [0.5, 0.25, -4],
      [-1, 0, 1],
    ])
      sgd(values, Float32Array.from(gradient), velocity, options);
    expected.forEach((value, i) => {
      expect(values[i]).toBeCloseTo(value, 6);
    });
  });

  it("is gradient descent without momentum and decay, whatever the numbers", () => {
    const numbers = fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(numbers, fc.float({ min: 0, max: 1, noNaN: true }), (start, gradientScale) => {
        const values = Float32Array.from(start);
        const moments = freshMoments(values.length, "sgd");
        const choices = { optimizer: "sgd", weightDecay: 0, momentum: 0, nesterov: false, rate: 0.5 } as const;
        optimize(
          values,
          Float32Array.from(start, (value) => 3 * value),
          moments,
          1,
          { ...choices, gradientScale },
        );
        const expected = start.map((value) => Math.fround(value - 0.5 * 3 * value * gradientScale));
        values.forEach((value, i) => {
          expect(value).toBeCloseTo(itemAt(expected, i), 3);
        });
      }),
    );
  });

  it("keeps one vector, AdamW two", () => {
    expect(freshMoments(3, "sgd").second).toHaveLength(0);
    expect(freshMoments(3).second).toHaveLength(3);
  });
});

describe("parts of a vector with rates of their own", () => {
  const options = { optimizer: "adamw", weightDecay: 0.1, momentum: 0, nesterov: false, gradientScale: 0.5 } as const;
  const start = Float32Array.of(1, -2, 3, 0.5, -0.25);
  const gradients = [Float32Array.of(0.5, 1, -1, 0.2, 3), Float32Array.of(-0.5, 2, 1, 0.1, -1)];

  /** The first `length` numbers from `offset` on after two steps at a rate. */
  const stepped = (rate: number, offset: number, length: number): Float32Array => {
    const values = start.slice(offset, offset + length);
    const moments = freshMoments(length);
    gradients.forEach((gradient, step) => {
      optimize(values, gradient.slice(offset, offset + length), moments, step + 1, { ...options, rate });
    });
    return values;
  };

  it("go as if each were optimised by itself", () => {
    const values = start.slice();
    const moments = freshMoments(values.length);
    const parts = [
      { offset: 0, length: 2, factor: 1 },
      { offset: 2, length: 3, factor: 16 },
    ];
    gradients.forEach((gradient, step) => {
      optimizeParts(values, gradient, moments, step + 1, { ...options, rate: 0.01 }, parts);
    });
    expect([...values]).toEqual([...stepped(0.01, 0, 2), ...stepped(0.16, 2, 3)]);
  });
});
