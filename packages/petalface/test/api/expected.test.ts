import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { expectedOf, longestMeasured, measuredLengths, printExpected } from "../../src/api/adapt/expected.ts";
import { trainingOptions } from "../../src/training/index.ts";

/** Rows of the benchmark's page; rank-1 at 16 px with half of its interval, and the cells of both shares. */
function measuredRows() {
  const page = readFileSync(join(import.meta.dirname, "../../../../bench/results/length.md"), "utf8");
  return page
    .split("\n## ")
    .slice(1)
    .flatMap((section) => {
      const [network = "", ...lines] = section.split("\n");
      return lines.flatMap((line) => {
        const cells = line.split("|").map((cell) => cell.trim());
        const [, images = "", rate = "", at16 = ""] = cells;
        const number = Number(images.replaceAll(",", ""));
        const [value = Number.NaN, half = Number.NaN] = at16.split(" ± ").map(Number);
        const rank1 = [value, half] as const;
        return number > 0 ? [{ network, images: number, rate: Number(rate), rank1, shares: cells.slice(-3, -1) }] : [];
      });
    });
}

test("the shares that are shipped are those of the benchmark's page, all with the default rate", () => {
  const rows = measuredRows().filter(({ rate }) => rate === trainingOptions().learningRate);
  const short = rows.filter(({ shares }) => shares[0] !== "-");
  expect(short.length).toBeGreaterThanOrEqual(2);
  const printed = measuredLengths.map(({ network, images, at16, at12 }) => ({
    ...{ network, images, rate: trainingOptions().learningRate },
    shares: [at16, at12].map(([value, low, high]) => `${value} % [${low}, ${high}]`),
  }));
  expect(printed).toEqual(short.map(({ rank1: _, ...row }) => row));
  const long = rows.filter(({ shares }) => shares[0] === "-");
  expect(new Set(long.map(({ images }) => images))).toEqual(new Set([longestMeasured]));
});

test("the default rate was best at every measured length, or not worse beyond the interval", () => {
  const rows = measuredRows();
  for (const { network, images, rank1 } of rows) {
    const ours = rows.find(
      (row) => row.network === network && row.images === images && row.rate === trainingOptions().learningRate,
    );
    const [value, half] = ours?.rank1 ?? [Number.NaN, 0];
    expect(value + half).toBeGreaterThanOrEqual(rank1[0]);
  }
});

test("between two measured lengths the shorter one counts, and outside of all none does", () => {
  const shortest = Math.min(...measuredLengths.map(({ images }) => images));
  expect(expectedOf(shortest - 1)).toEqual({ longest: longestMeasured, measured: [] });
  expect(expectedOf(longestMeasured + 1).measured).toEqual([]);
  for (const images of [shortest, 5000, 12_000, longestMeasured]) {
    const { measured } = expectedOf(images);
    for (const each of measured) {
      const longer = measuredLengths.filter(
        (other) => other.network === each.network && other.images > each.images && other.images <= images,
      );
      expect(each.images).toBeLessThanOrEqual(images);
      expect(longer).toEqual([]);
    }
    expect(new Set(measured.map(({ network }) => network)).size).toBe(measured.length);
  }
  expect(
    expectedOf(longestMeasured)
      .measured.map(({ network }) => network)
      .sort(),
  ).toEqual(["EdgeFace-XS", "MobileFaceNet"]);
});

test("says what other runs had, what makes this one another, and that a validation decides", () => {
  const line = printExpected(5000, trainingOptions());
  expect(line).toMatch(/^of the gain in rank-1 that 27,224 images of LFW gave \(one seed\), shorter runs had: /);
  expect(line).toMatch(/MobileFaceNet with 4,800 images \d+ % \[\d+, \d+\] at 16 px, \d+ % \[\d+, \d+\] at 12 px; /);
  expect(line).toMatch(/; what your own faces gain, only a validation says \('val'\)$/);
  expect(printExpected(5000, trainingOptions({ rank: 8, learningRate: 5e-4 }))).toContain(
    "; those had another 'rank', 'learningRate'; what your own",
  );
  expect(printExpected(1, trainingOptions())).toMatch(/^what so short a run gains was not measured: the shortest had /);
  expect(printExpected(30_000, trainingOptions())).toMatch(
    /^what so long a run gains was not measured: the longest had 27,224 images; /,
  );
});
