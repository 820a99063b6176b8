import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  compareResults,
  type IdentificationOutcome,
  loadEvaluation,
  type Measured,
  printTable,
  renderReport,
  saveEvaluation,
  summariseOutcomes,
  thinComparisons,
  type VerificationOutcome,
} from "../../../src/evaluation/index.ts";
import { cmc, openSet, tarAtFar } from "../../../src/matching/index.ts";
import { random } from "../../../src/random.ts";

const people = 40;

/** Templates' comparisons, all with all: no folds, two conditions of the protocol's own. */
function comparisons(gain: number, count = 3000): VerificationOutcome {
  const next = random("comparisons");
  const first = Int32Array.from({ length: count }, () => next.int(people));
  const second = Int32Array.from({ length: count }, (_, i) => (i % 5 === 0 ? first[i] : next.int(people)));
  const same = Uint8Array.from(first, (person, i) => (person === second[i] ? 1 : 0));
  const scores = Float32Array.from(same, (flag) => Math.tanh(0.3 * next.normal() + (flag === 1 ? gain : 0)));
  return {
    kind: "verification",
    condition: { kind: "named", name: "1:1" },
    scores,
    same,
    first,
    second,
    firstItem: first,
    secondItem: second,
  };
}

/** Every third person is not enrolled. */
function searches(gain: number): IdentificationOutcome {
  const next = random("searches");
  const person = Int32Array.from({ length: 200 }, () => next.int(people));
  const mate = Float32Array.from(person, (who) => {
    const score = gain + 0.3 * next.normal();
    return who % 3 === 0 ? Number.NEGATIVE_INFINITY : score;
  });
  const other = Float32Array.from(person, () => 0.3 * next.normal() + 0.3);
  const rank = mate.map((score, probe) =>
    score === Number.NEGATIVE_INFINITY ? 0 : score > other[probe] ? 1 : 2 + next.int(9),
  );
  return {
    kind: "identification",
    condition: { kind: "named", name: "surveillance to booking" },
    person,
    item: person,
    rank: Int32Array.from(rank),
    mate,
    other,
    gallery: 60,
  };
}

const measured = (gain: number): Measured => ({
  protocol: {
    kind: "ijbs",
    name: "made up",
    fingerprint: "f",
    folds: 0,
    people,
    images: people,
    genuine: 1,
    impostor: 1,
    gallery: 60,
    probes: 200,
  },
  data: { spec: "nowhere", fingerprint: "00" },
  degradations: [],
  detail: {
    items: Array.from({ length: people }, (_, i) => `template ${i}`),
    outcomes: [comparisons(gain), searches(gain)],
    alphas: [],
    digests: [],
  },
});
const choice = {
  fars: [0.1, 0.01],
  ranks: [1, 5],
  fpirs: [0.3, 0.1, 1e-3],
  fpirRanks: [1, 20],
  bootstrap: { resamples: 200 },
};

test("verification without folds and an open set: values of the exact counts, intervals around them", () => {
  const { measures, unresolved } = summariseOutcomes(measured(0.5), choice);
  expect(measures.map(({ key }) => key)).toEqual([
    ...["auc", "eer", "tar@0.1", "tar@0.01"].map((name) => `${name}/named:1:1`),
    ...["rank1", "rank@5", "tpir@0.3", "tpir@0.3,20", "tpir@0.1", "tpir@0.1,20"].map(
      (name) => `${name}/named:surveillance to booking`,
    ),
  ]);
  expect(unresolved.map(({ far }) => far)).toEqual([1e-3]);
  const value = (start: string) => measures.find(({ key }) => key.startsWith(`${start}/`))?.value;
  const { scores, same } = comparisons(0.5);
  const found = searches(0.5);
  expect([value("tar@0.1"), value("tar@0.01")]).toEqual(tarAtFar(scores, same, [0.1, 0.01]).map(({ tar }) => tar));
  expect([value("rank1"), value("rank@5")]).toEqual([cmc(found.rank, 1), cmc(found.rank, 5)]);
  expect([value("tpir@0.3"), value("tpir@0.1")]).toEqual(openSet(found, [0.3, 0.1]).map(({ tpir }) => tpir));
  expect(value("tpir@0.1,20")).toBe(openSet(found, [0.1], { rank: 20 })[0]?.tpir);
  for (const { value: middle, low, high, standardError } of measures) {
    expect(low).toBeLessThanOrEqual(middle);
    expect(high).toBeGreaterThanOrEqual(middle);
    expect(standardError).toBeGreaterThan(0);
  }
});

test("such results are stored, compared, printed and reported like any other", async () => {
  const folder = await mkdtemp(join(tmpdir(), "outcomes-"));
  try {
    const [a, b] = [0.5, 0.9].map((gain) => summariseOutcomes(measured(gain), choice)) as [
      ReturnType<typeof summariseOutcomes>,
      ReturnType<typeof summariseOutcomes>,
    ];
    await saveEvaluation(join(folder, "a.json"), a);
    const back = await loadEvaluation(join(folder, "a.json"));
    expect(back).toEqual(a);
    const comparison = compareResults(back, b);
    expect(comparison.differences).toHaveLength(a.measures.length);
    expect(comparison.differences.find(({ key }) => key.startsWith("rank1/"))?.p).toBeLessThan(0.02);
    const named = [
      { name: "a", result: a },
      { name: "b", result: b },
    ];
    expect(printTable(named, { kinds: ["tar", "rank", "tpir"] })).toMatch(/TPIR20@30% surveillance to booking/);
    const page = await renderReport({
      title: "t",
      results: named,
      comparisons: [{ name: "b", against: "a", comparison }],
    });
    expect(page).toContain("surveillance to booking");
    // Without accuracy, true accepts are what the page opens with.
    expect(page).toContain("True accepts at 10% false accepts");
    expect(page.indexOf("True accepts at 10% false accepts")).toBeLessThan(
      page.indexOf("Area under the ROC, equal error rate"),
    );
    expect(page).toMatch(/class="tile".*TAR@10% of 1:1/);
    expect(page).not.toMatch(/NaN|undefined|\[object/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a page of searches alone has nothing of pairs", async () => {
  const { protocol, detail, ...rest } = measured(0.5);
  const searched = summariseOutcomes(
    {
      ...rest,
      protocol: { ...protocol, genuine: 0, impostor: 0 },
      detail: { ...detail, outcomes: detail.outcomes.filter(({ kind }) => kind === "identification") },
    },
    choice,
  );
  const page = await renderReport({ title: "t", results: [{ name: "frozen", result: searched }] });
  expect(page).toMatch(
    /class="lead">Of 100 faces of surveillance to booking, frozen finds \d+, at one false alarm in 10 searches/,
  );
  expect(page).toContain("CMC");
  expect(page).not.toMatch(
    /NaN|Infinity|undefined|ROC|id="scores"|0 genuine|embedded sharp|sharp image|Verification accuracy/,
  );
});

test("a thinned list stands for all comparisons and keeps the rates", () => {
  const whole = comparisons(0.5, 50_000);
  const thin = thinComparisons(whole, { top: 4000, sample: 20_000 });
  const genuine = whole.same.reduce((sum, flag) => sum + flag, 0);
  expect(thin.same.reduce((sum, flag) => sum + flag, 0)).toBe(genuine);
  expect(thin.scores.length).toBe(genuine + 24_000);
  expect(thin.weight?.reduce((sum, weight) => sum + weight, 0)).toBe(50_000);
  const at = (outcome: VerificationOutcome) =>
    summariseOutcomes(
      { ...measured(0.5), detail: { ...measured(0.5).detail, outcomes: [outcome] } },
      { fars: [0.05, 0.001], bootstrap: { resamples: 100 } },
    ).measures;
  const [full, kept] = [at(whole), at(thin)];
  kept.forEach((measure, i) => {
    const { key, value, standardError, count } = full[i];
    expect(measure).toMatchObject({ key, count });
    expect(Math.abs(measure.value - value)).toBeLessThan(key.startsWith("tar") ? 1e-9 : 0.003);
    expect(measure.standardError / standardError).toBeCloseTo(1, 0);
  });
  expect(thinComparisons(whole)).toBe(whole);
});
