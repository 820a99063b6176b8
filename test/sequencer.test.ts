import { globSync } from "node:fs";
import { expect, test } from "vitest";
import { longest } from "./sequencer.ts";

test("each of the longest files is one file", () => {
  const root = `${import.meta.dirname}/..`;
  const files = globSync(["{packages,apps}/*/test/**/*.test.ts", "test/*.test.ts"], { cwd: root });
  const paths = files.map((file) => `/${file.replaceAll("\\", "/")}`);
  const found = longest.map((name) => [name, paths.filter((path) => path.endsWith(`/${name}.test.ts`)).length]);
  expect(found).toEqual(longest.map((name) => [name, 1]));
});
