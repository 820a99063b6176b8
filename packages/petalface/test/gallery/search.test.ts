import fc from "fast-check";
import { entryOf } from "onnx-grad";
import { describe, expect, test } from "vitest";
import {
  buildTemplates,
  decide,
  type EnrolledVectors,
  estimateThresholds,
  joinTrack,
  openSearcher,
  parseThresholds,
  singleThreshold,
  type TemplateRule,
  templateRules,
  thresholdAt,
} from "../../src/gallery/index.ts";
import { normaliseRows } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";

const width = 6;
const session = { threads: 1 };

/** A gallery of drawn faces; people have ids from 10 on and one to four faces each. */
function drawn(seed: number, people: number): EnrolledVectors {
  const stream = random("gallery search", seed);
  const owners = Array.from({ length: people }, (_, person) =>
    Array.from({ length: 1 + stream.int(4) }, () => 10 + person),
  ).flat();
  const count = owners.length;
  const normals = (scale: number): Float32Array =>
    Float32Array.from({ length: count * width }, () => scale * stream.normal());
  return {
    width,
    faces: Int32Array.from(owners.keys()),
    people: Int32Array.from(owners),
    vectors: normals(3),
    copies: normals(0.5),
    alpha: Float32Array.from({ length: count }, () => stream.uniform()),
    score: new Float64Array(count),
  };
}

/** The same by the definition, in double precision, template by template. */
function naive(gallery: EnrolledVectors, rule: TemplateRule, unit: Float32Array, weight: number): Map<number, number> {
  const units = normaliseRows(gallery.vectors, width);
  const templates = new Map<string, number[]>();
  gallery.people.forEach((person, face) => {
    const key = rule === "best" ? `${person} ${face}` : `${person}`;
    const share = rule === "quality" ? 0.125 + 0.875 * gallery.alpha[face] : 1;
    const sum = templates.get(key) ?? Array.from({ length: width }, () => 0);
    templates.set(
      key,
      sum.map((value, at) => {
        const place = face * width + at;
        return value + share * (units[place] + weight * gallery.copies[place]);
      }),
    );
  });
  const best = new Map<number, number>();
  for (const [key, sum] of templates) {
    const person = Number(key.split(" ")[0]);
    const length = Math.hypot(...sum);
    const cosine = sum.reduce((total, value, at) => total + value * unit[at], 0) / length;
    best.set(person, Math.max(best.get(person) ?? -2, cosine));
  }
  return best;
}

describe("search", () => {
  test("gives the cosines of the definition, whatever the rule, the quality and the number of probes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1000),
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(...templateRules),
        fc.constantFrom(1, 3, 40),
        async (seed, people, rule, probes) => {
          const gallery = drawn(seed, people);
          const stream = random("probes", seed);
          const rows = normaliseRows(
            Float32Array.from({ length: probes * width }, () => stream.normal()),
            width,
          );
          const alpha = Array.from({ length: probes }, () => stream.uniform());
          await using searcher = openSearcher(buildTemplates(gallery, rule), session);
          const found = await searcher.search({ rows, alpha }, 3);
          found.forEach((candidates, probe) => {
            const unit = rows.subarray(probe * width, (probe + 1) * width);
            const wanted = naive(gallery, rule, unit, 1 - alpha[probe]);
            const sorted = [...wanted.values()].sort((a, b) => b - a).slice(0, 3);
            expect(candidates).toHaveLength(sorted.length);
            candidates.forEach(({ person, cosine }, rank) => {
              // Sums of float32 products.
              expect(cosine).toBeCloseTo(sorted[rank], 5);
              expect(cosine).toBeCloseTo(entryOf(wanted, person), 5);
            });
          });
        },
      ),
      { numRuns: 25 },
    );
  });

  test("leaves out the person it is told to, and finds nobody in an empty gallery", async () => {
    const gallery = drawn(1, 5);
    const rows = normaliseRows(gallery.vectors.slice(0, width), width);
    await using searcher = openSearcher(buildTemplates(gallery, "best"), session);
    const [all, others] = [
      await searcher.search({ rows, alpha: [1] }, 9),
      await searcher.search({ rows, alpha: [1], without: Int32Array.of(10) }, 9),
    ];
    expect(all[0]?.[0]).toEqual({ person: 10, cosine: expect.closeTo(1, 6) });
    expect(others[0]).toEqual(all[0]?.slice(1));
    const empty = {
      ...gallery,
      faces: new Int32Array(),
      people: new Int32Array(),
      vectors: new Float32Array(),
      copies: new Float32Array(),
      alpha: new Float32Array(),
    };
    await using nobody = openSearcher(buildTemplates(empty, "quality"), session);
    expect(await nobody.search({ rows, alpha: [1] }, 3)).toEqual([[]]);
  });
});

describe("thresholds", () => {
  test("estimated ones let through the wanted share of strangers", async () => {
    const gallery = drawn(7, 60);
    await using searcher = openSearcher(buildTemplates(gallery, "mean"), session);
    const rate = 0.1;
    const found = await estimateThresholds(gallery, searcher, rate);
    const sharp = found?.table.rows.find(({ alpha }) => alpha[1] === 1)?.cosine ?? Number.NaN;
    const units = normaliseRows(gallery.vectors, width);
    const share = (weight: number): number => {
      const accepted = [...gallery.people].filter((person, face) => {
        const all = naive(gallery, "mean", units.subarray(face * width, (face + 1) * width), weight);
        all.delete(person);
        return Math.max(...all.values()) > sharp + 1e-6;
      });
      return accepted.length / gallery.people.length;
    };
    // The row holds the rate for both ends of its range, and at one of them not more is held back
    // than needed.
    const shares = [share(0), share(0.5)];
    const count = gallery.people.length;
    expect(Math.max(...shares)).toBeLessThanOrEqual(rate);
    expect(Math.max(...shares)).toBeGreaterThan(rate - 2 / count);
  });

  test("cannot be estimated on one person", async () => {
    const gallery = drawn(1, 1);
    await using searcher = openSearcher(buildTemplates(gallery, "mean"), session);
    expect(await estimateThresholds(gallery, searcher, 0.01)).toBeUndefined();
  });

  test("are read by range, and refused where they are none", () => {
    const rows = [
      { alpha: [0, 0.5], cosine: null },
      { alpha: [0.5, 1], cosine: 0.3 },
    ];
    const table = parseThresholds({ rows, rate: 0.01 }, "t.json");
    expect([0, 0.49, 0.5, 1, 1.2].map((alpha) => thresholdAt(table, alpha)?.cosine)).toEqual([
      null,
      null,
      0.3,
      0.3,
      0.3,
    ]);
    for (const wrong of [
      [],
      {},
      { rows: [] },
      { rows: [{ alpha: [0.5, 0.2], cosine: 0 }] },
      { rows: [{ alpha: [0, 1], cosine: 2 }] },
    ])
      expect(() => parseThresholds(wrong, "t.json")).toThrow("t.json: ");
  });
});

describe("decisions", () => {
  const rules = { thresholds: singleThreshold(0.4), margin: 0.05, lowestAlpha: 0.2, people: 2, hasCopies: false };
  const near = (...cosines: number[]) => cosines.map((cosine, person) => ({ person, cosine }));
  test.each([
    ["match", null, 1, near(0.6, 0.3)],
    ["match", null, 1, near(0.6)],
    ["unknown", "below threshold", 1, near(0.4, 0.1)],
    ["unknown", "too close to the second person", 1, near(0.6, 0.56)],
    ["unusable", "its quality is below what the wanted rate needs", 0.1, near(0.9)],
    ["unknown", "no person is enrolled", 1, []],
  ] as const)("%s, %s", (decision, reason, alpha, candidates) => {
    expect(decide(alpha, candidates, rules)).toMatchObject({ decision, reason });
  });

  test("are never a match where the table holds no cosine for this quality", () => {
    const thresholds = { rows: [{ alpha: [0.5, 1] as const, cosine: 0.1 }] };
    expect(decide(0.3, near(0.99), { ...rules, thresholds })).toMatchObject({ decision: "unusable", threshold: null });
  });
});

describe("tracks", () => {
  const frame = (vector: readonly number[], alpha: number) => ({
    vector: Float32Array.from(vector),
    copies: new Float32Array(vector.length),
    alpha,
    score: null,
  });

  test("weight frames by quality, and leave out those that would hurt", async () => {
    const joined = await joinTrack([frame([2, 0, 0], 1), frame([0, 5, 0], 0.6), frame([0, 0, 1], 0.1)]);
    expect(joined.used).toEqual([0, 1]);
    const [one, other] = [1, 0.125 + 0.875 * 0.6];
    const length = Math.hypot(one, other);
    expect([...joined.unit]).toEqual([one / length, other / length, 0].map((value) => expect.closeTo(value, 6)));
    expect(joined.alpha).toBeCloseTo((one * 1 + other * 0.6) / (one + other), 6);
    const stray = await joinTrack([frame([1, 0.1, 0], 0.9), frame([1, -0.1, 0], 0.9), frame([-1, 0, 0.1], 0.9)]);
    expect(stray.used).toEqual([0, 1]);
  });

  test("of one frame are that frame", async () => {
    const { unit, alpha, used } = await joinTrack([frame([0, 3, 4], 0.3)]);
    expect([[...unit], alpha, used]).toEqual([[0, 0.6, 0.8].map((value) => expect.closeTo(value, 6)), 0.3, [0]]);
  });
});
