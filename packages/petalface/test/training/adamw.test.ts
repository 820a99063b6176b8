import { itemAt } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { adamw, clipFactor, l2Norm } from "../../src/training/optimiser/adamw.ts";
import { freshMoments } from "../../src/training/optimiser/optimizer.ts";

describe("adamw", () => {
  it("follows algorithm 2 of the paper, written out in double precision", () => {
    const [rate, weightDecay] = [0.01, 0.1];
    const start = [0.5, -2, 0];
    const gradients = [
      [1, -0.1, 1e-4],
      [-3, 0.2, 0],
      [0.5, 0.3, -1e-4],
    ];
    const values = Float32Array.from(start);
    const moments = freshMoments(3);
    const expected = start.map((value, i) => {
      let [theta, m, v] = [value, 0, 0];
      gradients.forEach((row, t) => {
        const g = itemAt(row, i);
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        const [mHat, vHat] = [m / (1 - 0.9 ** (t + 1)), v / (1 - 0.999 ** (t + 1))];
        theta = theta - rate * weightDecay * theta - (rate * mHat) / (Math.sqrt(vHat) + 1e-8);
      });
      return theta;
    });
    gradients.forEach((row, t) => {
      adamw(values, Float32Array.from(row), moments, t + 1, { rate, weightDecay, gradientScale: 1 });
    });
    expected.forEach((value, i) => {
      expect(values[i]).toBeCloseTo(value, 6);
    });
  });

  it("moves each number by about the learning rate at first, whatever the gradient's size", () => {
    const values = new Float32Array(2);
    adamw(values, Float32Array.of(1e3, -1e-3), freshMoments(2), 1, { rate: 0.1, weightDecay: 0, gradientScale: 1 });
    expect(values[0]).toBeCloseTo(-0.1, 5);
    expect(values[1]).toBeCloseTo(0.1, 4);
  });
});

describe("clipFactor", () => {
  it("brings a long gradient to the limit and leaves a short one", () => {
    const gradient = Float32Array.of(3, 4);
    expect(l2Norm(gradient) * clipFactor(l2Norm(gradient), 1)).toBeCloseTo(1, 5);
    expect(clipFactor(0.5, 1)).toBe(1);
  });
});
