import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { findLongLines, findPhrases } from "./wording.ts";

const root = new URL("..", import.meta.url);

/** Printed by benchmarks, others' text, or the list of phrases itself. */
const excluded = /^(bench\/results\/|packages\/onnx-grad\/schema\/|scripts\/wording\.ts|test\/wording\.test\.ts)/;
/** One entry a line, as long as it is. */
const anyLength = /^(CHANGELOG|docs\/options)\.md$/;

const listed = execFileSync("git", ["ls-files", "-z", "*.md", "*.ts", "*.py", "*.html"], { cwd: root, encoding: "utf8" });
const files = listed.split("\0").filter((path) => path !== "" && !excluded.test(path));
const found = files.flatMap((path) => {
  const text = readFileSync(new URL(path, root), "utf8");
  const long = path.endsWith(".md") && !anyLength.test(path) ? findLongLines(text) : [];
  return [...findPhrases(text), ...long].map(({ line, problem }) => `${path}:${line}: ${problem}`);
});
for (const line of found) console.error(line);
if (found.length > 0) process.exitCode = 1;
