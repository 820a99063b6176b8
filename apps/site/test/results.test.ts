import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { barChart, describe as describeChart, lineChart } from "../figures/charts.ts";
import { resultFigures } from "../figures/results.ts";
import { datedResults } from "../results/dated.ts";
import { leaderboardPage } from "../results/leaderboard.ts";
import { parseResults, readResults, rowOf, tableOf, valueIn } from "../results/page.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const names = readdirSync(`${root}bench/results`)
  .filter((file) => file.endsWith(".md"))
  .map((file) => file.replace(".md", ""));

describe("pages of results", () => {
  it("all say when they were made, and of which commit", () => {
    for (const name of names) {
      const { made } = readResults(name);
      expect(made.date, name).toMatch(/^2\d{3}-\d\d-\d\d$/);
      expect(made.commit, name).toMatch(/^commit [0-9a-f]{7,}|^sources of this commit$/);
    }
  });

  it("are read with their commands, circumstances, sections and tables", () => {
    const text = [
      "# A title\n\n    npm run bench -- a --b c\n",
      "2026-01-02, commit 0123abc with changes; Intel(R) Xeon(R) Processor, 2 cores; Node 24.\n",
      "Words.\n\n## One\n\n### Two\n\nMore.\n\n| a | b |\n| --- | --- |\n| x | 1.5 ± 0.5 [1.0-2.0] |\n",
      "## Three\n\n| a |\n| --- |\n| y |",
    ].join("\n");
    const page = parseResults("a", text);
    expect(page.commands).toEqual(["npm run bench -- a --b c"]);
    const commit = "commit 0123abc with changes";
    expect(page.made).toEqual({ date: "2026-01-02", commit, processor: "Intel Xeon", recorded: false });
    expect(page.tables.map(({ sections, intro }) => [sections, intro])).toEqual([
      [["One", "Two"], "More."],
      [["Three"], ""],
    ]);
    const table = tableOf(page, ["One"], ["b"]);
    expect(valueIn(rowOf(table, table.rows[0] ?? []).get("b") ?? "")).toEqual({
      value: 1.5,
      low: 1,
      high: 2,
      text: "1.5 ± 0.5",
    });
    expect(valueIn("32.1 [24.4, 36.3]")).toMatchObject({ low: 24.4, high: 36.3, text: "32.1 (24.4 to 36.3)" });
    expect(valueIn("-")).toBeUndefined();
    expect(() => tableOf(page, ["Four"], [])).toThrow("no table Four");
    expect(() => parseResults("a", "# A title")).toThrow("does not say its date");
    expect(parseResults("a", "Recorded on 2026-01-02, commit 0123abc. More.").made).toMatchObject({ recorded: true });
  });

  it("are in the table of docs/results.md with date, commit and processor (-u writes these)", async () => {
    const text = readFileSync(`${root}docs/results.md`, "utf8");
    const linked = [...text.matchAll(/bench\/results\/([\w-]+)\.md\) *\|$/gm)].map(([, name]) => name);
    expect(names.filter((name) => !linked.includes(name))).toEqual([]);
    await expect(datedResults(text)).toMatchFileSnapshot(`${root}docs/results.md`);
    const old = text.replace("| 2026-11-29 ", "| 2020-01-01 ");
    expect(old).not.toBe(text);
    expect(datedResults(old)).toBe(text);
  });
});

describe("what is made from results", () => {
  it("the leaderboard is docs/leaderboard.md (npx vitest run apps/site/test/results.test.ts -u writes it)", async () => {
    await expect(leaderboardPage()).toMatchFileSnapshot(`${root}docs/leaderboard.md`);
  });

  it("ranks rows by their values, and numbers of the pages are its numbers", () => {
    const sections = leaderboardPage().split("\n## ").slice(1);
    expect(sections.length).toBeGreaterThan(3);
    for (const section of sections) {
      const rows = section.split("\n").filter((line) => /^\| \d/.test(line));
      const values = rows.map((row) => Number.parseFloat(row.split("|")[4] ?? ""));
      expect(values.length, section).toBeGreaterThan(1);
      expect(values, section).toEqual(values.toSorted((a, b) => b - a));
    }
    const { rows } = tableOf(readResults("camera"), ["Rank-1"], ["still"]);
    const [cameras = ""] = sections;
    for (const [model, method, images, , still] of rows) {
      const cells = [`| ${model}, ${method}`, `| ${images} `, `| ${still} `];
      const shown = cameras.split("\n").some((line) => cells.every((cell) => line.includes(cell)));
      expect(shown, cells.join(" ")).toBe(true);
    }
  });

  it("charts are those of docs/figures (-u draws them)", async () => {
    for (const [name, svg] of Object.entries(resultFigures()))
      await expect(svg).toMatchFileSnapshot(`${root}docs/figures/${name}.svg`);
  });

  it("a chart has its numbers as text, and heights in proportion to its values", () => {
    const point = (value: number) => ({ value, low: value - 5, high: value + 5 });
    const series = [
      { name: "a & b", colour: "#000", points: [point(20), point(40)] },
      { name: "c", colour: "#111", points: [point(10), point(30)] },
    ];
    const chart = { title: "T", note: "n", places: ["x", "y"], series };
    expect(describeChart(chart)).toBe("a & b: x 20.0, y 40.0. c: x 10.0, y 30.0.");
    for (const svg of [barChart(chart), lineChart(chart)])
      expect(svg).toContain("<title>T. a &amp; b: x 20.0, y 40.0.");
    const bars = [...barChart(chart).matchAll(/height="([\d.]+)" fill="#(?:000|111)"\/>/g)].map(([, height]) =>
      Number(height),
    );
    const tall = bars.slice(0, 4);
    expect(tall.map((height) => height / (tall[1] ?? 0))).toEqual(
      [0.5, 1, 0.25, 0.75].map((of) => expect.closeTo(of, 2)),
    );
  });
});
