import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { root } from "./blocks.ts";

it("docs/troubleshooting.md quotes words that messages of the program have", () => {
  const text = readFileSync(join(root, "docs/troubleshooting.md"), "utf8");
  const section = text.slice(text.indexOf("## By message"), text.indexOf("## Speed and memory"));
  const cells = [...section.matchAll(/^\| ([^|]+)\|/gm)].map(([, cell = ""]) => cell);
  const quotes = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, words = ""]) => words));
  expect(quotes.length).toBeGreaterThan(20);
  const sources = globSync("packages/*/src/**/*.ts", { cwd: root }).map((file) =>
    readFileSync(join(root, file), "utf8"),
  );
  const lost = quotes.filter((words) => !sources.some((source) => source.includes(words)));
  expect(lost).toEqual([]);
});
