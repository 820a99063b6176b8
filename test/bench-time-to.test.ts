import { trainingOptions } from "petalface/training";
import { describe, expect, it } from "vitest";
import { meanOverPeople, meanOverSizes } from "../bench/time-to/measure.ts";
import { costOf, minutesOf, shortestThatReaches } from "../bench/time-to/plan.ts";
import { targetsAfter } from "../bench/time-to/stream.ts";

describe("time to accuracy", () => {
  it("is that of the shortest training whose own value reaches the target", () => {
    const points = [
      { images: 9600, value: 0.7 },
      { images: 1600, value: 0.5 },
      { images: 4800, value: 0.71 },
    ];
    expect(shortestThatReaches(points, 0.7)).toEqual({ images: 4800, value: 0.71 });
    expect(shortestThatReaches(points, 0.5)).toEqual({ images: 1600, value: 0.5 });
    expect(shortestThatReaches(points, 0.72)).toBeUndefined();
  });

  it("has the costs of start, images and targets, from steps with and without known targets", () => {
    const known = { batch: 8, seconds: [0.8, 0.9, 0.7], targets: [0, 0, 0] };
    const computing = { batch: 8, seconds: [1.2, 1.6, 1.0], targets: [20, 20, 10] };
    const cost = costOf(5, known, computing);
    expect(cost.startup).toBe(5);
    expect(cost.image).toBeCloseTo(0.1, 12);
    expect(cost.target).toBeCloseTo(0.02, 12);
    expect(minutesOf(cost, 1000, 250)).toBeCloseTo((5 + 100 + 5) / 60, 12);
    expect(costOf(5, known, undefined)).toEqual({ startup: 5, image: 0.1, target: 0 });
  });

  it("counts each face and its mirror image once, and the anchors that are there", () => {
    const options = trainingOptions({ batch: 4, seed: 0, flip: false, anchors: 10 });
    // An epoch of 20 faces is five steps; the first step has all ten anchors.
    expect(targetsAfter(options, 20, 5)).toBe(20);
    expect(targetsAfter(options, 20, 50)).toBe(20);
    const first = targetsAfter(options, 20, 1);
    expect(first).toBeGreaterThanOrEqual(10);
    expect(first).toBeLessThanOrEqual(14);
    const mirrored = targetsAfter({ ...options, flip: true }, 20, 200);
    expect(mirrored).toBe(40);
    expect(targetsAfter({ ...options, loss: "distil" }, 20, 1)).toBe(4);
  });

  it("gives means of faces an interval over people", () => {
    const cosines = {
      values: [
        [0.2, 0.4, 0.6],
        [0.4, 0.6, 0.8],
      ],
      people: [0, 0, 1],
    };
    const means = meanOverSizes(cosines);
    expect(means.map((value) => value.toFixed(6))).toEqual(["0.300000", "0.500000", "0.700000"]);
    const { value, low, high } = meanOverPeople(means, cosines.people);
    expect(value).toBeCloseTo(0.5, 12);
    // Two people: a resample is one of them twice (0.4 or 0.7), or both.
    expect([low, high].map((each) => each.toFixed(6))).toEqual(["0.400000", "0.700000"]);
  });
});
