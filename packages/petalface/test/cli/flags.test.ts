import { expect, test } from "vitest";
import { withFlags } from "../../src/cli/flags.ts";

test.each([
  ["'valData' and 'patience' need 'val'", "--val-data and --patience need --val"],
  ["lower 'learningRate' (now 1)", "lower --lr (now 1)"],
  ["one method (unless 'seeds' says otherwise)", "one method (unless --no-seeds says otherwise)"],
  ["use 'loss=distil', or 'normalize=127.5,1/127.5'", "use --loss distil, or --normalize 127.5,1/127.5"],
  ["leave videos out with 'videos'; 'resume' my run", "leave videos out with --no-videos; --resume my run"],
  ["the model's input 'image' and the user's 'file' stay", "the model's input 'image' and the user's 'file' stay"],
])("%s", (library, commandLine) => {
  expect(withFlags(library)).toBe(commandLine);
});
