import type { EvaluationResult } from "petalface/evaluation";
import { expect, it } from "vitest";
import { contenders, searcherOf, trainerOf } from "../bench/faces/plan.ts";
import type { Job } from "../bench/faces/run.ts";
import { bestOf, renderSearch, type Search, scoreOf, searchJobs, tuned } from "../bench/faces/search.ts";
import type { Cell } from "../bench/faces/table.ts";

const contenderOf = (name: string) => contenders.find((each) => each.name === name) ?? { name };
const jobOf = (name: string): Job => ({
  contender: contenderOf(name),
  ...{ model: "m", seed: 0, images: 100, folds: [1, 2, 3], threads: 1, folder: "final" },
});

/** A result whose rank-1 measures have this mean. */
const resultOf = (value: number): EvaluationResult => {
  const parts = { sharp: -2, "mixed:16": -1, "mixed:12": 1, "mixed:8": 2 };
  const measures = Object.entries(parts).map(([where, more]) => ({ key: `rank1/${where}`, value: value + more }));
  return { measures: [{ key: "accuracy/mixed:16", value: 9 }, ...measures] } as unknown as EvaluationResult;
};

it("searches every method over the same rates and shares, on fold 6 and in folders of their own", () => {
  expect(searchJobs(jobOf("frozen"), 10, (name) => name)).toEqual([]);
  const [petal, full] = ["petal", "full"].map((name) => searchJobs(jobOf(name), 10, (part) => part));
  const folders = petal?.map(({ folder }) => folder) ?? [];
  expect([folders.length, new Set(folders).size]).toEqual([10, 10]);
  expect(full?.map(({ folder }) => folder)).toEqual(folders);
  for (const job of petal ?? []) expect([job.folds, job.images]).toEqual([[6], 10]);
  expect(new Set(petal?.map(({ options }) => options?.learningRate))).toEqual(
    new Set([1.25e-4, 2.5e-4, 5e-4, 1e-3, 2e-3]),
  );
  expect(new Set(full?.map(({ options }) => options?.learningRate))).toContain(6.25e-5);
});

it("takes the best of a search, the first of equals, and trains with it", () => {
  const jobs = searchJobs(jobOf("petal"), 10, (name) => name);
  const cells = jobs.map((job, at): Cell => {
    return { job, done: { result: resultOf(at === 3 || at === 7 ? 0.9 : 0.8), seconds: 1, trained: 1 } };
  });
  expect(scoreOf(resultOf(0.7))).toBeCloseTo(0.7, 12);
  expect(() => scoreOf({ measures: [] })).toThrow("rank1/sharp");
  expect(bestOf(cells)).toBe(cells[3]);
  const search: Search = { job: jobOf("petal"), tried: 11, cells, budgets: [] };
  expect(tuned(jobOf("petal"), search)).toEqual({ ...jobOf("petal"), options: jobs[3]?.options });
  expect(tuned(jobOf("frozen"), undefined)).toEqual(jobOf("frozen"));
  expect(renderSearch([search], 10)).toContain("| m | petal | 10 of 11 | 0.00025 | 0.35 | 90.00 | 80.00 | - |");
});

it("finds the training that a method reads, and the search that it takes over", () => {
  const found = Object.fromEntries(
    contenders.map((contender) => [contender.name, [trainerOf(contender).name, searcherOf(contender).name]]),
  );
  expect(found).toMatchObject({
    petal: ["petal", "petal"],
    nam: ["lora", "lora"],
    switch: ["full", "full"],
    "petal, long": ["petal, long", "petal"],
  });
  for (const contender of contenders) expect(contender.options).toEqual(trainerOf(contender).options);
});
