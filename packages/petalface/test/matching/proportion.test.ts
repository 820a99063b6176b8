import fc from "fast-check";
import { expect, test } from "vitest";
import { shareInterval, shareIntervalOfPeople } from "../../src/matching/proportion.ts";

// R. G. Newcombe, Statistics in Medicine 1998, table I, method 3, to four decimals.
test.each([
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
])("%i of %i: the interval of Wilson's score", (hits, cases, lower, upper) => {
  const interval = shareInterval(hits, cases);
  expect(Math.abs(interval[0] - lower)).toBeLessThan(0.5001e-4);
  expect(Math.abs(interval[1] - upper)).toBeLessThan(0.5001e-4);
});

test("lies around the share, within 0 and 1, and narrows with more cases", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (cases, part) => {
      const hits = Math.round(cases * part);
      const [lower, upper] = shareInterval(hits, cases);
      expect(lower).toBeGreaterThanOrEqual(0);
      expect(lower).toBeLessThanOrEqual(hits / cases + 1e-12);
      expect(upper).toBeGreaterThanOrEqual(hits / cases - 1e-12);
      expect(upper).toBeLessThanOrEqual(1);
      const wider = shareInterval(4 * hits, 4 * cases);
      expect(wider[1] - wider[0]).toBeLessThan(upper - lower);
    }),
  );
});

test("one case a person is the plain interval; cases of a person that agree count once", () => {
  const people = Array.from({ length: 40 }, (_, i) => ({ hits: Number(i % 3 === 0), cases: 1 }));
  const plain = shareInterval(14, 40);
  const close = (interval: readonly [number, number]): void => {
    expect(interval[0]).toBeCloseTo(plain[0], 12);
    expect(interval[1]).toBeCloseTo(plain[1], 12);
  };
  close(shareIntervalOfPeople(people));
  close(shareIntervalOfPeople(people.map(({ hits }) => ({ hits: 25 * hits, cases: 25 }))));
  // Without a hit the variance says nothing: each person counts once.
  expect(
    shareIntervalOfPeople([
      { hits: 0, cases: 50 },
      { hits: 0, cases: 50 },
    ]),
  ).toEqual(shareInterval(0, 2));
});
