import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";

/** Folder of this package. */
export const root = join(import.meta.dirname, "../..");

/** Rows of the first table of OPERATORS.md: an operator and the test file that it names. */
export const operatorRows = readFileSync(join(root, "OPERATORS.md"), "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, operator, test] = /^\| (\S+) +\|.*\| \[\w+\]\((\S+)\) +\|$/.exec(line) ?? [];
    return operator === undefined || test === undefined ? [] : [{ operator, test: join(root, test) }];
  });

/**
 * Operators whose gradients agreed with finite differences, by test file: worker processes run
 * several.
 */
const confirmed = new Map<string, Set<string>>();

/**
 * Notes the operators between the inputs `wrt` and the outputs of a graph whose gradient was found
 * right.
 */
export function noteOperators({ nodes }: Graph, wrt: readonly string[]): void {
  const file = expect.getState().testPath ?? "";
  const operators = confirmed.get(file) ?? new Set();
  confirmed.set(file, operators);
  const reached = new Set(wrt);
  for (const { op, domain, inputs, outputs } of nodes) {
    if (!inputs.some((input) => reached.has(input))) continue;
    for (const output of outputs) reached.add(output);
    operators.add(domain === "" ? op : `${domain}:${op}`);
  }
}

/**
 * The last test of a file: that the tests before it found the gradient of every operator right that
 * OPERATORS.md says they test.
 */
export function testOperatorsOf(file: string): void {
  it("tests every operator that OPERATORS.md says it does", () => {
    const promised = operatorRows.filter(({ test }) => test === file).map(({ operator }) => operator);
    expect(promised).not.toEqual([]);
    expect(promised.filter((operator) => !confirmed.get(file)?.has(operator))).toEqual([]);
  });
}
