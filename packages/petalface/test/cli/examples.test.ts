import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { printCommand } from "../../src/cli/examples.ts";
import { printArgument } from "../../src/print-path.ts";

test.skipIf(process.platform === "win32")("a long command is cut only where a shell reads on", () => {
  const model = `a model --of "it's" own${" long".repeat(10)} --name.onnx`;
  const words = ["evaluate", "--model", model, "--adapter", "runs/first", "--protocol", "PAIRS", "--data", "my faces"];
  const quoted = words.map((word) => (word.startsWith("--") ? word : printArgument(word)));
  const printed = printCommand(quoted.join(" "));
  expect(printed.split("\n").length).toBeGreaterThan(2);
  const said = execFileSync("/bin/sh", ["-c", `petalface() { printf '%s\\n' "$@"; }\n${printed}`], {
    encoding: "utf8",
  });
  expect(said).toBe(words.map((word) => `${word}\n`).join(""));
});
