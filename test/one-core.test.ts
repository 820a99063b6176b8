import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";

test("tests, and the processes that they start, have one thread by default", () => {
  expect(availableParallelism()).toBe(1);
  const script = 'import { availableParallelism } from "node:os"; console.log(availableParallelism());';
  expect(execFileSync(process.execPath, ["--input-type=module", "-e", script]).toString()).toBe("1\n");
});
