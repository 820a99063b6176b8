import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { cosinesByAlpha, inUnit, measureThresholds, type ThresholdComparisons } from "../../src/deploy/index.ts";
import { thresholdAt } from "../../src/gallery/index.ts";
import { shareInterval, tarAtFar } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";
import { petalface } from "../cli/process.ts";
import { saveDeployed } from "../support/deployed.ts";
import { temporaryFolder } from "../support/folder.ts";

const people = 60;

/**
 * Drawn scores of all pairs of two faces each of 60 people; comparisons of low alpha score 0.1
 * higher.
 */
function drawn(): ThresholdComparisons {
  const draw = random("scores", 1);
  const faces = 2 * people;
  const pairs = Array.from({ length: faces }, (_, a) =>
    Array.from({ length: faces - a - 1 }, (_, i) => [a, a + 1 + i] as const),
  ).flat();
  const same = Uint8Array.from(pairs, ([a, b]) => (a >> 1 === b >> 1 ? 1 : 0));
  const alpha = Float32Array.from(pairs, ([a, b]) => Math.min(a % 2 === 0 ? 1 : 0.2, b % 2 === 0 ? 1 : 0.7));
  const scores = Float32Array.from(pairs, (_, i) =>
    Math.tanh(0.1 * draw.normal() + (same[i] === 1 ? 0.5 : 0) + (alpha[i] < 0.5 ? 0.1 : 0)),
  );
  const person = (side: 0 | 1) => Int32Array.from(pairs, (pair) => pair[side] >> 1);
  return { scores, same, alpha, first: person(0), second: person(1) };
}

describe("measureThresholds", () => {
  const bootstrap = { resamples: 200, seed: 1 };

  it("finds the thresholds that the exact operating points have, within intervals that hold them", () => {
    const comparisons = drawn();
    const fars = [0.1, 0.01, 0.002];
    const { all } = measureThresholds(comparisons, people, fars, bootstrap, true);
    const exact = tarAtFar(comparisons.scores, comparisons.same, fars);
    all.forEach(({ cosine, accepted, far }, i) => {
      expect([far, cosine.value, accepted?.value]).toEqual([exact[i]?.far, exact[i]?.above, exact[i]?.tar]);
      expect(cosine.low).toBeLessThan(cosine.value);
      expect(cosine.high).toBeGreaterThan(cosine.value);
      expect(cosine.high - cosine.low).toBeLessThan(0.2);
    });
  });

  it("finds another threshold for comparisons with a face of low resolution", () => {
    const { ranges } = measureThresholds(drawn(), people, [0.05], bootstrap, true);
    const [low, middle, sharp] = ranges.map(({ thresholds }) => thresholds[0]?.cosine.value ?? Number.NaN);
    expect(low - sharp).toBeGreaterThan(0.05);
    expect(Math.abs(middle - sharp)).toBeLessThan(0.05);
    expect(measureThresholds(drawn(), people, [0.05], bootstrap, false).ranges).toEqual([]);
  });

  it("refuses a rate that the data cannot resolve, and leaves out ranges that cannot", () => {
    const comparisons = drawn();
    expect(() => measureThresholds(comparisons, people, [0.1, 1e-4], bootstrap, true)).toThrow(
      /0\.0001 needs 100,000 comparisons of two people, and there are 7,080: ask for 0\.0015 or more/,
    );
    // The rate that the message names is one that works.
    expect(measureThresholds(comparisons, people, [0.0015], bootstrap, false).all[0]?.far).toBe(0.0015);
    expect(() => measureThresholds(comparisons, 19, [0.1], bootstrap, true)).toThrow("at least 20 people");
    const rare = { ...comparisons, alpha: comparisons.alpha.map((alpha, i) => (i < 50 ? 0.2 : Math.max(alpha, 0.7))) };
    const { ranges } = measureThresholds(rare, people, [0.05], bootstrap, true);
    expect(ranges.map(({ thresholds }) => thresholds[0] === null)).toEqual([true, false, false]);
  });

  it("says how often two people reach other cosines, within intervals over people", () => {
    const comparisons = drawn();
    const { curve, ranges } = measureThresholds(comparisons, people, [0.05], bootstrap, true);
    const impostors = comparisons.scores.filter((_, i) => comparisons.same[i] === 0);
    expect(curve?.impostors).toBe(impostors.length);
    for (const [cosine, above, reached, low, high] of curve?.points ?? []) {
      expect([above, reached]).toEqual([
        impostors.filter((score) => score > cosine).length,
        impostors.filter((score) => score >= cosine).length,
      ]);
      const share = reached / impostors.length;
      const [least, most] = shareInterval(reached, impostors.length);
      expect(low).toBeLessThanOrEqual(Math.min(share, least));
      expect(high).toBeGreaterThanOrEqual(Math.max(share, most));
    }
    expect(ranges.map((range) => range.curve?.impostors ?? 0).reduce((sum, count) => sum + count)).toBe(
      impostors.length,
    );
  });

  it("counts equal scores of two people together, so that the rate is never exceeded", () => {
    const comparisons = drawn();
    const scores = comparisons.scores.map((score) => Math.round(5 * score) / 5);
    const { all } = measureThresholds({ ...comparisons, scores }, people, [0.05], bootstrap, false);
    const exact = tarAtFar(scores, comparisons.same, [0.05]);
    expect([all[0]?.cosine.value, all[0]?.accepted?.value]).toEqual([exact[0]?.above, exact[0]?.tar]);
  });
});

it.each([
  [0.3, "frigate score", 0.5],
  [0.5, "frigate score", 1 / (1 + Math.exp(-4))],
  [0.3, "cosine distance", 0.7],
  [0.5, "euclidean distance", 1],
  [0.3, "cosine", 0.3],
] as const)("a cosine of %d is %s %d", (cosine, unit, value) => {
  expect(inUnit(cosine, unit)).toBeCloseTo(value, 12);
});

describe("petalface threshold", () => {
  const folder = temporaryFolder("petalface-threshold-");
  let on: readonly string[];
  beforeAll(async () => {
    on = await saveDeployed(folder);
  });

  const data = ["--data", "synthetic:people=30,images=2,seed=3", "--threads", "1", "--no-cache", "--resamples", "50"];

  it("travels in the exported file, in each product's unit, and inspect prints it", async () => {
    const file = join(folder, "thresholds.json");
    const measured = await petalface(["threshold", ...on, ...data, "--far", "0.05,0.01", "--out", file]);
    expect(measured.code, measured.stderr).toBe(0);
    expect(measured.stdout.replaceAll(/\s+/g, " ")).toMatch(
      /false-accept rate 0\.01: cosine above -?[01]\.\d{3} \[.*\]; frigate score/,
    );
    const { all } = JSON.parse(await readFile(file, "utf8"));
    const out = join(folder, "arcface.onnx");
    const exported = await petalface(["export", ...on, "--out", out, "--for", "frigate", "--thresholds", file]);
    expect(exported.code, exported.stderr).toBe(0);
    const score = inUnit(all[1].cosine.value, "frigate score").toFixed(3);
    expect(exported.stdout.replaceAll(/\s+/g, " ")).toContain(`${score} for 0.01`);
    const inspected = await petalface(["inspect", out, "--json"]);
    expect(JSON.parse(inspected.stdout).thresholds.all).toEqual(all);
    expect((await petalface(["inspect", out])).stdout).toContain("false-accept rate 0.01: cosine above");

    const other = join(folder, "other.json");
    await writeFile(other, (await readFile(file, "utf8")).replace(/"adapter": ".{4}/, '"adapter": "0000'));
    expect(await petalface(["export", ...on, "--out", out, "--force", "--thresholds", other])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("it was measured with another adapter"),
    });
  });

  it("is what a gallery decides by, at the smallest rate, where the model is the same", async () => {
    const [file, gallery] = [join(folder, "for-gallery.json"), join(folder, "people.db")];
    const run = async (...args: string[]) => {
      const ended = await petalface([...args, "--json"]);
      expect(ended.code, ended.stderr).toBe(0);
      return JSON.parse(ended.stdout);
    };
    const { ranges } = await run("threshold", ...on, ...data, "--far", "0.05,0.02", "--out", file);
    expect(ranges[0].curve ?? ranges[2].curve).toMatchObject({ impostors: expect.any(Number) });
    await run("gallery", "create", gallery, ...on, "--thresholds", file);
    await run("gallery", "add", gallery, "synthetic:people=5,images=2,seed=4", "--min-alpha", "0", "--force");
    const search = ["gallery", "search", gallery, "synthetic:people=5,images=2,seed=9"];
    const stored = await run(...search);
    expect(stored.thresholds).toMatchObject({ kind: "stored", table: { measured: { far: 0.02 } } });
    const given = await run(...search, "--thresholds", file);
    expect(given.thresholds).toEqual({ ...stored.thresholds, kind: "given" });
    expect(stored.photos).toHaveLength(10);
    for (const { alpha, threshold, decision, reason, falseAcceptRate } of stored.photos) {
      const range = ranges[alpha < 0.5 ? 0 : alpha < 1 ? 1 : 2];
      expect(threshold).toBe(range.thresholds[1]?.cosine.value ?? null);
      // The gallery has copies, with which poor faces were not compared.
      if (alpha < 1) expect(falseAcceptRate).toBeNull();
      else expect(falseAcceptRate.rate).toBeGreaterThan(0);
      if (threshold === null)
        expect([decision, reason]).toEqual(["unusable", "its quality is below what the wanted rate needs"]);
    }
    expect((await petalface(search)).stderr).toContain(
      "stored in the gallery, measured on synthetic:people=30,images=2,seed=3 for a false-accept rate of 0.02",
    );
    const other = join(folder, "of-another.json");
    await writeFile(other, (await readFile(file, "utf8")).replace(/"adapter": ".{4}/, '"adapter": "0000'));
    for (const args of [search, ["gallery", "create", join(folder, "more.db"), ...on]])
      expect(await petalface([...args, "--thresholds", other])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("measured with another adapter than the gallery's"),
      });
  });

  it("gives rows by alpha, and none where a range has too few comparisons", () => {
    const cosine = (value: number) => ({ value, low: value, high: value, standardError: 0 });
    const one = (far: number, value: number) => ({ far, cosine: cosine(value), accepted: null, impostors: 100 });
    const all = [one(0.1, 0.2), one(0.01, 0.3)];
    // Files of older versions have no curve.
    const row = { alpha: [0, 1], cosine: 0.3, curve: null };
    expect(cosinesByAlpha({ all, ranges: [] })).toEqual({ far: 0.01, rows: [row] });
    const ranges = [
      { name: "alpha below 0.5", thresholds: [one(0.1, 0.4), null] },
      { name: "alpha from 0.5 to 1", thresholds: [one(0.1, 0.3), one(0.01, 0.35)] },
      { name: "alpha 1 (both sharp)", thresholds: [one(0.1, 0.2), one(0.01, 0.25)] },
    ];
    const { rows } = cosinesByAlpha({ all, ranges });
    expect([0, 0.49, 0.5, 0.99, 1].map((alpha) => thresholdAt({ rows }, alpha)?.cosine)).toEqual([
      ...[null, null, 0.35, 0.35, 0.25],
    ]);
  });

  it("refuses rates that the data cannot resolve, and rates that are none", async () => {
    const file = join(folder, "none.json");
    expect(await petalface(["threshold", ...on, ...data, "--far", "1e-4", "--out", file])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("needs 100,000 comparisons of two people, and there are 1,740"),
    });
    await expect(readFile(file)).rejects.toThrow("ENOENT");
    expect(await petalface(["threshold", ...on, ...data, "--far", "2"])).toMatchObject({ code: 2 });
  });
});
