import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { inUnit, measureThresholds, type ThresholdComparisons } from "../../src/deploy/index.ts";
import { tarAtFar } from "../../src/matching/index.ts";
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
