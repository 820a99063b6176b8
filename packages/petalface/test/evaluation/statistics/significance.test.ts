import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bootstrap, estimate } from "../../../src/evaluation/statistics/bootstrap.ts";
import {
  normalBelow,
  normalQuantile,
  normalTails,
  studentQuantile,
  studentTails,
} from "../../../src/evaluation/statistics/distributions.ts";
import {
  combineErrors,
  fewestPeople,
  holm,
  peopleNeeded,
  seedError,
  tailP,
} from "../../../src/evaluation/statistics/significance.ts";
import { random } from "../../../src/random.ts";

describe("distributions, against published tables and integration", () => {
  test("normal", () => {
    // Tables: Abramowitz and Stegun, table 26.1; the last by its asymptotic series.
    expect(normalBelow(0)).toBe(0.5);
    expect(normalBelow(1)).toBeCloseTo(0.841344746068543, 14);
    expect(normalBelow(-2)).toBeCloseTo(0.022750131948179, 14);
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 12);
    expect(normalTails(6) / 1.973175290075396e-9).toBeCloseTo(1, 10);
    expect(normalTails(20) / 5.507248237212467e-89).toBeCloseTo(1, 9);
  });
  test("Student: closed forms for 1 and 2 degrees of freedom, tables for others", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 50, noNaN: true }), (t) => {
        expect(studentTails(t, 1)).toBeCloseTo(1 - (2 / Math.PI) * Math.atan(t), 9);
        expect(studentTails(t, 2)).toBeCloseTo(1 - t / Math.sqrt(2 + t * t), 9);
      }),
    );
    for (const [df, quantile] of [
      [1, 12.706],
      [4, 2.776],
      [10, 2.228],
      [30, 2.042],
      [120, 1.98],
    ] as const)
      expect(studentQuantile(0.975, df)).toBeCloseTo(quantile, 3);
    expect(studentQuantile(0.975, Number.POSITIVE_INFINITY)).toBeCloseTo(1.96, 3);
  });
  test("Student's density integrates to it, also for broken degrees of freedom", () => {
    const df = 3.7;
    const steps = 200_000;
    const density = (t: number) => (1 + (t * t) / df) ** (-(df + 1) / 2);
    const integral = (to: number) => {
      let sum = 0;
      for (let i = 0; i < steps; i++) sum += density(((i + 0.5) * to) / steps);
      return (sum * to) / steps;
    };
    // The far tail is 2e-11 of all.
    const whole = integral(3000);
    expect(integral(1.3) / whole).toBeCloseTo(1 - studentTails(1.3, df), 6);
  });
});

test("Holm: by hand, and never below the plain value nor above Bonferroni", () => {
  expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
  expect(holm([0.5, Number.NaN, 0.02])).toEqual([0.5, Number.NaN, 0.04]);
  expect(holm([])).toEqual([]);
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }), (ps) => {
      const corrected = holm(ps);
      corrected.forEach((p, i) => {
        expect(p).toBeGreaterThanOrEqual(ps[i]);
        expect(p).toBeLessThanOrEqual(Math.min(1, ps.length * ps[i]) + 1e-12 + Math.max(...ps));
      });
      // The same order, and the definition: step down while p_(i) (n - i + 1) is below the level.
      const order = [...ps.keys()].sort((a, b) => ps[a] - ps[b]);
      let rejected = true;
      order.forEach((index, place) => {
        rejected &&= (ps.length - place) * ps[index] <= 0.05;
        expect(corrected[index] <= 0.05).toBe(rejected);
      });
    }),
  );
});

test("under no difference Holm calls one in at most 5 % of tables", () => {
  const next = random("families");
  let wrong = 0;
  const tables = 4000;
  for (let table = 0; table < tables; table++)
    if (Math.min(...holm(Array.from({ length: 12 }, () => next.uniform()))) <= 0.05) wrong++;
  // 5 % and three standard deviations.
  expect(wrong / tables).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / tables));
  expect(wrong / tables).toBeGreaterThan(0.03);
});

test("few draws beyond zero give way to the normal tail, never upwards", () => {
  expect(tailP(2 / 1001, 0.1, 0.01, 1000)).toBeCloseTo(normalTails(10), 30);
  expect(tailP(2 / 1001, 0.01, 0.01, 1000)).toBe(2 / 1001);
  expect(tailP(10 / 1001, 0.1, 0.01, 1000)).toBeCloseTo(normalTails(10), 30);
  expect(tailP(12 / 1001, 0.1, 0.01, 1000)).toBe(12 / 1001);
  expect(tailP(0.2, 0.1, 0.01, 1000)).toBe(0.2);
  expect(tailP(2 / 1001, 0.1, 0, 1000)).toBe(2 / 1001);
});

describe("training seeds as a random effect", () => {
  test("without people's part it is Welch's test (scipy.stats.ttest_ind, equal_var=False)", () => {
    const [a, b] = [
      [90.1, 91.3, 89.8, 90.6],
      [92.0, 93.1, 91.2],
    ];
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const difference = mean(b) - mean(a);
    const { p, low, high } = combineErrors(difference, { standardError: 0, count: 500 }, [seedError(a), seedError(b)]);
    expect(p).toBeCloseTo(0.07279809565033751, 9);
    expect(low).toBeCloseTo(-0.2645714262577037, 9);
    expect(high).toBeCloseTo(3.5645714262577437, 9);
  });
  test("the seeds' part widens the interval; one run adds nothing that is known", () => {
    const people = { standardError: 0.01, count: 400 };
    const alone = combineErrors(0.03, people, [seedError([0.5])]);
    const three = combineErrors(0.03, people, [seedError([0.48, 0.5, 0.52])]);
    expect(alone.high - alone.low).toBeCloseTo(2 * 1.966 * 0.01, 4);
    expect(three.high - three.low).toBeGreaterThan(alone.high - alone.low);
    expect(three.p).toBeGreaterThan(alone.p);
    expect(combineErrors(0, { standardError: 0, count: 9 }, [])).toEqual({ low: 0, high: 0, standardError: 0, p: 1 });
  });
  test("covers the truth in about 95 % of simulated studies", () => {
    const next = random("coverage");
    const [people, runs, studies] = [60, 4, 1500];
    let covered = 0;
    for (let study = 0; study < studies; study++) {
      // Difference per person and run: truth 0, a person's part, a run's part, noise.
      const person = Array.from({ length: people }, () => next.normal());
      const run = Array.from({ length: runs }, () => 0.2 * next.normal());
      const perRun = run.map((shift) => person.reduce((sum, x) => sum + x + shift, 0) / people);
      const value = perRun.reduce((sum, x) => sum + x, 0) / runs;
      const mean = person.reduce((sum, x) => sum + x, 0) / people;
      const variance = person.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (people - 1) / people;
      const { low, high } = combineErrors(value, { standardError: Math.sqrt(variance), count: people }, [
        seedError(perRun),
      ]);
      if (low <= 0 && high >= 0) covered++;
    }
    expect(covered / studies).toBeGreaterThan(0.93);
    expect(covered / studies).toBeLessThan(0.975);
  });
});

describe("people needed", () => {
  test("that many see the difference in about 80 % of simulated studies", () => {
    const next = random("power");
    const needed = peopleNeeded(0.3, { standardError: 1 / Math.sqrt(50), count: 50 });
    // ((1.960 + 0.842) / 0.3)^2 = 87.2
    expect(needed).toBe(88);
    let seen = 0;
    const studies = 3000;
    for (let study = 0; study < studies; study++) {
      const values = Array.from({ length: needed }, () => 0.3 + next.normal());
      const mean = values.reduce((sum, x) => sum + x, 0) / needed;
      if (Math.abs(mean) * Math.sqrt(needed) > 1.96) seen++;
    }
    expect(seen / studies).toBeGreaterThan(0.77);
    expect(seen / studies).toBeLessThan(0.84);
  });
  test("no number is enough where there is no difference, or where seeds alone hide it", () => {
    const people = { standardError: 0.01, count: 100 };
    expect(peopleNeeded(0, people)).toBe(Number.POSITIVE_INFINITY);
    expect(peopleNeeded(0.01, people, 0.01 ** 2)).toBe(Number.POSITIVE_INFINITY);
    expect(peopleNeeded(0.01, people, 0.001 ** 2)).toBeGreaterThan(peopleNeeded(0.01, people));
  });
});

describe("the fewest people that a verdict needs", () => {
  const next = random(7, "differences");
  const normal = () => next.normal();
  const shapes = {
    normal,
    skewed: () => -Math.log(1 - next.uniform()) - 1,
    "heavy-tailed (Student, 3)": () => normal() / Math.sqrt((normal() ** 2 + normal() ** 2 + normal() ** 2) / 3),
    "one in three changes sides": () => (next.uniform() < 1 / 3 ? (next.uniform() < 0.5 ? 1 : -1) : 0),
  };

  /** Share of studies without any true difference whose 95 % interval leaves zero out. */
  function falseClaims(people: number, draw: () => number): number {
    const studies = 1000;
    let claims = 0;
    for (let study = 0; study < studies; study++) {
      const changes = Float64Array.from({ length: people }, draw);
      const [row] = bootstrap(people, { resamples: 500, seed: study }, (times) => [
        changes.reduce((sum, change, person) => sum + change * times[person], 0) / people,
      ]);
      const { low, high } = estimate(row);
      if (low > 0 || high < 0) claims++;
    }
    return claims / studies;
  }

  test.each(Object.entries(shapes))("with it about twice the 5 % are claimed wrongly at most: %s", (_shape, draw) => {
    expect(falseClaims(fewestPeople, draw)).toBeLessThan(0.13);
  });
  test("with five people three times the 5 %", () => {
    expect(falseClaims(5, shapes.normal)).toBeGreaterThan(0.15);
    expect(falseClaims(5, shapes.skewed)).toBeGreaterThan(0.15);
  });
});
