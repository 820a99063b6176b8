import { expect, it } from "vitest";
import { calledAs } from "../../src/cli/called.ts";

it("begins a command as the user began the last one", () => {
  expect(calledAs()).toBe("npm run petalface --");
  const built = "file:///project/node_modules/petalface/dist/cli/main.js";
  expect(calledAs(built, { npm_command: "exec" })).toBe("npx petalface");
  expect(calledAs(built, { npm_command: "run-script" })).toBe("petalface");
  expect(calledAs(built, {})).toBe("petalface");
});
