import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rules } from "../src/rules.ts";

const root = join(import.meta.dirname, "..");

/** Rows of the first table of OPERATORS.md: an operator and the test file that it names. */
const rows = readFileSync(join(root, "OPERATORS.md"), "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, operator, test] = /^\| (\S+) +\|.*\| \[\w+\]\((\S+)\) +\|$/.exec(line) ?? [];
    return operator === undefined || test === undefined ? [] : [{ operator, test }];
  });

describe("OPERATORS.md", () => {
  it("lists the operators that have a rule, each once", () => {
    expect(rows.map(({ operator }) => operator).sort()).toEqual([...rules.keys()].sort());
  });

  it.each(rows)("names the test of $operator", ({ operator, test }) => {
    const path = join(root, test);
    expect(existsSync(path)).toBe(true);
    // Helpers of `ops` are spelt like their operators but for the first letter.
    const name = operator.replace(/^.*:/, "");
    expect(readFileSync(path, "utf8")).toMatch(new RegExp(`\\b${name}\\b`, "i"));
  });
});

it("README.md lists the same operators", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const table = readme.split("| family")[1]?.split("\n\n")[0] ?? "";
  const cells = table.split("\n").flatMap((line) => line.split("|")[2] ?? []);
  const listed = cells.flatMap((cell) => cell.replaceAll(/\([^)]*\)/g, "").match(/\b[A-Z]\w+/g) ?? []);
  const expected = new Set([...rules.keys()].map((operator) => operator.replace(/^.*:/, "")));
  expect(listed.sort()).toEqual([...expected].sort());
});
