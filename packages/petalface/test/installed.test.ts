import { expect, it } from "vitest";
import { installAgain } from "../src/installed.ts";

it("names the command that mends a checkout, or an installed package", () => {
  expect(installAgain()).toContain("`npm ci`");
  expect(installAgain("file:///project/node_modules/petalface/dist/installed.js")).toContain("`npm install`");
});
