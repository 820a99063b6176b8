import { expect, test } from "vitest";
import { describeFailure } from "../../src/cli/failure.ts";
import { PetalfaceError } from "../../src/errors.ts";
import { petalface } from "./process.ts";

const calm = new AbortController().signal;
const describe = (error: unknown, signal = calm) => describeFailure(error, signal, "x");

test("every kind of failure has its exit code, its code and one line", () => {
  expect(describe(new PetalfaceError("PETAL_DATA_DAMAGED", "a\n  b"))).toEqual({
    exitCode: 1,
    failure: { code: "PETAL_DATA_DAMAGED", message: "a b" },
  });
  expect(describe(new PetalfaceError("PETAL_OPTION_INVALID", "give 'val'"))).toEqual({
    exitCode: 2,
    failure: { code: "PETAL_OPTION_INVALID", message: "give --val" },
  });
  const message = "ENOSPC: no space left on device, write";
  const system = Object.assign(new Error(message), { code: "ENOSPC", syscall: "write" });
  expect(describe(system)).toEqual({ exitCode: 1, failure: { code: "PETAL_SYSTEM_FAILED", message } });
  const foreign = Object.assign(new Error("no rule for NonZero"), { name: "OnnxGradError" });
  expect(describe(foreign)).toEqual({
    exitCode: 1,
    failure: { code: "PETAL_MODEL_UNSUPPORTED", message: "no rule for NonZero" },
  });
  expect(describe(new TypeError("x is\nundefined"))).toEqual({
    exitCode: 1,
    failure: {
      code: "PETAL_INTERNAL",
      message: "internal error (TypeError: x is undefined); run again with --debug for details, and please report it",
    },
  });
  expect(describe("text").failure?.message).toMatch(/^internal error \(text\)/);
});

test("after Ctrl-C, its own error means interrupted, and any other is still reported", () => {
  const controller = new AbortController();
  controller.abort();
  const { signal } = controller;
  expect(describe(signal.reason, signal)).toEqual({
    exitCode: 130,
    failure: { code: "PETAL_INTERRUPTED", message: "interrupted" },
  });
  expect(describe(new PetalfaceError("PETAL_OUTPUT_FAILED", "disk full"), signal)).toMatchObject({
    exitCode: 1,
    failure: { message: "disk full" },
  });
});

test.each([
  [["quality", "nowhere", "--json"], 1, "PETAL_DATA_MISSING", "nowhere does not exist"],
  [["compare", "nowhere", "--json"], 1, "PETAL_RESULT_INVALID", "nowhere does not exist"],
  [["--json", "inspect", "nowhere"], 1, "PETAL_DATA_MISSING", 'there is no "nowhere"'],
  [["adapt", "--out", "run", "--json"], 2, "PETAL_OPTION_INVALID", "--model"],
  [["adapt", "--rank", "x", "--json"], 2, "PETAL_OPTION_INVALID", "--rank"],
  [["adapt", "--rnak", "4", "--json"], 2, "PETAL_OPTION_INVALID", "--rnak"],
] as const)("%j prints its failure as JSON on stdout, and as a line on stderr", async (args, exitCode, code, part) => {
  const result = await petalface([...args]);
  expect(result.code).toBe(exitCode);
  const { error } = JSON.parse(result.stdout) as { error: { code: string; message: string } };
  expect(error).toEqual({ code, message: expect.stringContaining(part) });
  expect(result.stderr).toBe(`petalface: ${error.message}\n`);
});

test("without --json nothing is on stdout", async () => {
  expect(await petalface(["quality", "nowhere"])).toMatchObject({ code: 1, stdout: "" });
});
