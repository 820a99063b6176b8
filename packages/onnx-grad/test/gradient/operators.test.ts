import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { rules } from "../../src/gradient/table.ts";
import { operatorRows } from "../support/operators.ts";

describe("OPERATORS.md", () => {
  it("lists the operators that have a rule, each once", () => {
    expect(operatorRows.map(({ operator }) => operator).sort()).toEqual([...rules.keys()].sort());
  });

  it("names files that end with a test of its promise", () => {
    for (const file of new Set(operatorRows.map(({ test }) => test)))
      expect(readFileSync(file, "utf8"), file).toMatch(/\ntestOperatorsOf\(import\.meta\.filename\);\n$/);
  });
});
