import type { EvaluationResult } from "petalface/evaluation";
import { expect, it } from "vitest";
import { contenders } from "../bench/faces/plan.ts";
import type { Job } from "../bench/faces/run.ts";
import { bestOf, renderSearch, scoreOf, searchJobs, tuned } from "../bench/faces/search.ts";
import type { Cell } from "../bench/faces/table.ts";

const jobOf = (name: string): Job => ({
  contender: contenders.find((each) => each.name === name) ?? { name },
  ...{ model: "m", seed: 0, images: 100, folds: [1, 2, 3], threads: 1, folder: "final" },
});

/** A result whose mixed accuracies have this mean. */
const resultOf = (value: number): EvaluationResult => {
  const measures = [16, 12, 8].map((pixels, at) => ({ key: `accuracy/mixed:${pixels}`, value: value + at - 1 }));
  return { measures: [{ key: "accuracy/sharp", value: 9 }, ...measures] } as unknown as EvaluationResult;
};

it("searches every method over the same rates, shares and budgets, on fold 6 and in folders of their own", () => {
  expect(searchJobs(jobOf("frozen"), (name) => name)).toEqual([]);
  const [petal, full] = ["petal", "full"].map((name) => searchJobs(jobOf(name), (part) => part));
  const folders = petal?.map(({ folder }) => folder) ?? [];
  expect([folders.length, new Set(folders).size]).toEqual([20, 20]);
  expect(full?.map(({ folder }) => folder)).toEqual(folders);
  for (const job of petal ?? []) expect(job.folds).toEqual([6]);
  expect(new Set(petal?.map(({ images }) => images))).toEqual(new Set([100, 200]));
  expect(new Set(petal?.map(({ options }) => options?.learningRate))).toEqual(new Set([1e-3, 2e-3, 4e-3, 8e-3, 16e-3]));
});

it("takes the best of a search, the first of equals, and trains with it", () => {
  const cells = searchJobs(jobOf("petal"), (name) => name).map((job, at): Cell => {
    return { job, done: { result: resultOf(at === 3 || at === 7 ? 0.9 : 0.8), seconds: 1, trained: 1 } };
  });
  expect(scoreOf(resultOf(0.7))).toBeCloseTo(0.7, 12);
  expect(() => scoreOf({ measures: [] })).toThrow("accuracy/mixed:16");
  const best = bestOf(cells);
  expect(best).toBe(cells[3]);
  expect(tuned(jobOf("petal"), best)).toMatchObject({ folder: "final", folds: [1, 2, 3], images: 200 });
  expect(tuned(jobOf("petal"), best).options).toEqual(cells[3]?.job.options);
  expect(tuned(jobOf("frozen"), bestOf([]))).toEqual(jobOf("frozen"));
  expect(renderSearch([{ contender: jobOf("petal").contender, cells }])).toContain("| m | petal | 20 | 0.001 | 0.35 |");
});
