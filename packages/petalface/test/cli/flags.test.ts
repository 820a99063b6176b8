import { expect, test } from "vitest";
import { withFlags } from "../../src/cli/flags.ts";

test.each([
  ["'valData' and 'patience' need 'val'", "--val-data and --patience need --val"],
  ["lower 'learningRate' (now 1)", "lower --lr (now 1)"],
  ["one method (unless 'seeds' says otherwise)", "one method (unless --no-seeds says otherwise)"],
  ["the model's input 'image' and the user's 'file' stay", "the model's input 'image' and the user's 'file' stay"],
])("%s", (library, commandLine) => {
  expect(withFlags(library)).toBe(commandLine);
});
