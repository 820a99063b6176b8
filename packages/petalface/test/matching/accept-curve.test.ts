import { expect, test } from "vitest";
import {
  type AcceptCurve,
  allowedImpostors,
  curvePoints,
  falseAcceptRateAt,
  shareInterval,
} from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";

/** Descending scores with ties. */
function drawn(count: number): Float64Array {
  const stream = random("accept curve", count);
  return Float64Array.from({ length: count }, () => Math.round(200 * stream.normal()) / 1000)
    .sort()
    .reverse();
}

const rates = [0.3, 0.01, 0.001];

function curveOf(scores: Float64Array): AcceptCurve {
  return {
    impostors: scores.length,
    beyond: shareInterval(0, scores.length)[1],
    points: curvePoints(scores, rates).map(({ cosine, above, reached }) => [
      cosine,
      above,
      reached,
      ...shareInterval(reached, scores.length),
    ]),
  };
}

test.each([1, 2, 37, 5000])("a curve of %d impostors says how many reach a cosine", (count) => {
  const scores = drawn(count);
  const curve = curveOf(scores);
  // Few points, however many impostors there are.
  expect(curve.points.length).toBeLessThan(60);
  const reaching = (cosine: number): number => scores.filter((score) => score >= cosine).length;
  for (const [cosine, above, reached] of curve.points) {
    expect([above, reached]).toEqual([scores.filter((score) => score > cosine).length, reaching(cosine)]);
    expect(falseAcceptRateAt(curve, cosine).rate).toBe(reached / count);
  }
  let last = 1;
  for (let cosine = -1.00005; cosine < 1; cosine += 0.0101) {
    const { rate, below, interval } = falseAcceptRateAt(curve, cosine);
    const truth = reaching(cosine);
    if (truth === 0) {
      expect([rate, below, interval]).toEqual([1 / count, true, [0, shareInterval(0, count)[1]]]);
      continue;
    }
    expect(below).toBe(false);
    // Between two points within what they say; points lie at most a quarter apart.
    expect(rate / (truth / count)).toBeGreaterThan(1 / 1.3);
    expect(rate / (truth / count)).toBeLessThan(1.3);
    expect(rate).toBeLessThanOrEqual(last);
    expect(interval[0]).toBeLessThanOrEqual(truth / count);
    expect(interval[1]).toBeGreaterThanOrEqual(truth / count);
    last = rate;
  }
});

test("whoever is above the threshold of a rate has no higher rate", () => {
  const scores = drawn(5000);
  const curve = curveOf(scores);
  for (const rate of rates) {
    const threshold = scores[allowedImpostors(rate, scores.length)] ?? -1;
    for (let step = 1; step < 200; step++)
      expect(falseAcceptRateAt(curve, threshold + step * 1e-5).rate).toBeLessThanOrEqual(rate);
    expect(falseAcceptRateAt(curve, threshold).rate).toBeGreaterThan(rate);
  }
});
