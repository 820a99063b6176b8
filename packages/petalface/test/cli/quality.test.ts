import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { expect, it } from "vitest";
import { renderQualityPage } from "../../src/cli/commands/quality/page.ts";
import { histogramOf, spearman } from "../../src/quality/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-quality-");

it("compares measures: histograms, agreement, known degradations, and a page that holds them", async () => {
  const report = join(folder, "Qualität.html");
  const args = ["quality", "synthetic:people=4,images=2,seed=1", "--size", "56", "--threads", "1", "--degraded"];
  const { code, stdout, stderr } = await petalface([
    ...args,
    ...["--metric", "sharpness", "--metric", "resolution", "--metric", "constant:3", "--report", report, "--json"],
  ]);
  expect(code, stderr).toBe(0);
  const document = JSON.parse(stdout) as {
    agreement: (number | null)[][];
    degraded: { measure: string; degradation: string; towardsPoorer: number; steps: { median: number }[] }[];
    measures: { score: { min: number; max: number; histogram: { counts: number[] } } }[];
    images: { scores: number[] }[];
  };
  expect(document.agreement[0]?.[0]).toBeCloseTo(1, 12);
  expect(document.agreement[0]?.[1]).toBeCloseTo(document.agreement[1]?.[0] as number, 12);
  expect(document.agreement[2]?.[0]).toBeNull();
  const columns = [0, 1].map((i) => document.images.map(({ scores }) => itemAt(scores, i)));
  expect(document.agreement[0]?.[1]).toBeCloseTo(spearman(columns[0], columns[1]), 9);
  const low = document.degraded.filter(({ degradation }) => degradation === "low resolution");
  expect(low.find(({ measure }) => measure === "resolution")?.towardsPoorer).toBeGreaterThan(0.8);
  expect(low.find(({ measure }) => measure === "constant:3")?.towardsPoorer).toBe(0);
  expect(document.measures[2]?.score).toMatchObject({ min: 3, max: 3 });
  const page = await readFile(report, "utf8");
  expect(page).toContain("Known degradations");
  expect(page.match(/<svg/g)).toHaveLength(3);
  // Faces at their scores: all eight of each measure, from the lowest score to the highest.
  expect(page.match(/<img /g)).toHaveLength(3 * 8);
  expect(page.match(/src="(?!data:image\/jpeg;base64,)/g)).toBeNull();
  const listed = [...page.matchAll(/<b>([-\d.]+)<\/b>/g)].slice(0, 8).map(([, score]) => Number(score));
  expect(listed).toEqual(listed.toSorted((a, b) => a - b));
  expect(listed.map((score) => score.toFixed(3)).toSorted()).toEqual(
    columns[0].map((score) => score.toFixed(3)).toSorted(),
  );
});

it("judges by the manifest's column, and says when there is none", async () => {
  const manifest = join(folder, "faces.csv");
  const png = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGM4ceIEAAS0AlkuUDUEAAAAAElFTkSuQmCC",
    "base64",
  );
  for (const name of ["a.png", "b.png", "c.png"]) await writeFile(join(folder, name), png);
  await writeFile(manifest, "path,quality\na.png,7\nb.png,\nc.png,3\n");
  const { code, stdout, stderr } = await petalface(["quality", manifest, "--metric", "external", "--json"]);
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    measures: [{ unscored: 1, score: { min: 3, max: 7 } }],
    images: [{ score: 7 }, { score: null }, { score: 3 }],
  });
  await writeFile(manifest, "path\na.png\n");
  expect(await petalface(["quality", manifest, "--metric", "external"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("is there a column quality?"),
  });
});

it("models names where the weights of measures come from", async () => {
  const { stdout } = await petalface(["models"]);
  expect(stdout).toContain("--quality brisque:model=brisque_model_live.yml,range=brisque_range_live.yml");
});

it("ranks ties at their mean, as Spearman does", () => {
  // SciPy 1.17: spearmanr([1, 2, 2, 4, 5], [5, 6, 7, 8, 7]).statistic
  expect(spearman([1, 2, 2, 4, 5], [5, 6, 7, 8, 7])).toBeCloseTo(0.763157894736842, 12);
  expect(spearman([1, 2, 3], [3, 2, 1])).toBe(-1);
  expect(spearman([1, 1, 1], [3, 2, 1])).toBeNaN();
});

it("draws a page of hostile names without letting them in", () => {
  const evil = "<script>alert(1)</script>";
  const page = renderQualityPage({
    data: evil,
    faces: 1,
    measures: [{ name: evil, note: evil, scores: histogramOf([1, 2, Number.NaN], 4), examples: [] }],
    tables: [{ title: evil, note: evil, rows: [[evil], [evil]] }],
  });
  expect(page).not.toContain(evil);
  expect(histogramOf([1, 2, Number.NaN, 4], 3)).toEqual({ low: 1, high: 4, counts: [1, 1, 1] });
});

it("says whether a set is sharp, blurred or both, and which range adapt would fit on it", async () => {
  const args = ["quality", "synthetic:people=8,images=2,seed=1", "--size", "112", "--threads", "1", "--json"];
  const { code, stdout, stderr } = await petalface([...args, "--metric", "sharpness", "--metric", "constant:3"]);
  expect(code, stderr).toBe(0);
  // Synthetic people are drawn at 56 px: smoother than photos, sharper than faces of 24 px.
  const { set, measures } = JSON.parse(stdout) as {
    set: { faces: number; pixels: number };
    measures: { fitted?: { low: number; high: number }; reason?: string }[];
  };
  expect(set.faces).toBe(16);
  expect(set.pixels).toBeGreaterThan(35);
  expect(set.pixels).toBeLessThan(50);
  expect(measures[0]?.fitted?.high).toBeGreaterThan(measures[0]?.fitted?.low as number);
  expect(measures[1]?.reason).toMatch(/every training face the score 3/);
});
