import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findLongComments, findLongLines, findLongSentences, findPhrases } from "./wording.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

const texts = [
  "*.{md,ts}",
  "docs/**/*.md",
  "{apps,bench,scripts}/**/*.{md,ts,py,html}",
  "packages/*/*.md",
  "packages/*/{src,example}/**/*.{md,ts}",
];
/** Packages of others, built files, what benchmarks printed, and the list of phrases itself. */
const excluded = /(^|\/)(node_modules|dist|test)\/|^bench\/results\/|^docs\/reference\/api\/|^scripts\/wording\.ts$/;
/** One entry in each line, of any length. */
const anyLength = /^(CHANGELOG|bench\/README|docs\/(options|errors|leaderboard|reference\/commands))\.md$/;

const found = globSync(texts, { cwd: root })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => !excluded.test(path))
  .sort()
  .flatMap((path) => {
    const text = readFileSync(`${root}/${path}`, "utf8");
    const long = path.endsWith(".md") && !anyLength.test(path) ? findLongLines(text) : [];
    const sentences = path.endsWith(".md") && path !== "CHANGELOG.md" ? findLongSentences(text) : [];
    const comments = path.endsWith(".ts") ? findLongComments(text) : [];
    return [...findPhrases(text), ...long, ...sentences, ...comments].map(
      ({ line, problem }) => `${path}:${line}: ${problem}`,
    );
  });
for (const line of found) console.error(line);
if (found.length > 0) process.exitCode = 1;
