import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rules } from "../../src/gradient/table.ts";

const root = join(import.meta.dirname, "../..");

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
