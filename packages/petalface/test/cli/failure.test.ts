import { expect, test } from "vitest";
import { describeFailure } from "../../src/cli/failure.ts";
import { PetalfaceError } from "../../src/errors.ts";

const calm = new AbortController().signal;

test("every kind of failure has its exit code and one line", () => {
  expect(describeFailure(new PetalfaceError("a\n  b"), calm, "x")).toEqual({ exitCode: 1, message: "a b" });
  expect(describeFailure(new PetalfaceError("a", { exitCode: 2 }), calm, "x")).toEqual({ exitCode: 2, message: "a" });
  const system = Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
    syscall: "write",
  });
  expect(describeFailure(system, calm, "x")).toEqual({
    exitCode: 1,
    message: "ENOSPC: no space left on device, write",
  });
  const foreign = Object.assign(new Error("no rule for NonZero"), { name: "OnnxGradError" });
  expect(describeFailure(foreign, calm, "x")).toEqual({ exitCode: 1, message: "no rule for NonZero" });
  expect(describeFailure(new TypeError("x is\nundefined"), calm, "x")).toEqual({
    exitCode: 1,
    message: "internal error (TypeError: x is undefined); run again with --debug for details, and please report it",
  });
  expect(describeFailure("text", calm, "x").message).toMatch(/^internal error \(text\)/);
});

test("after Ctrl-C, its own error means interrupted, and any other is still reported", () => {
  const controller = new AbortController();
  controller.abort();
  const { signal } = controller;
  expect(describeFailure(signal.reason, signal, "x")).toEqual({ exitCode: 130, message: "interrupted" });
  expect(describeFailure(new PetalfaceError("disk full"), signal, "x")).toEqual({ exitCode: 1, message: "disk full" });
});
