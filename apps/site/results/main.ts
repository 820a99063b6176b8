/**
 * Writes docs/leaderboard.md, and the dates in docs/results.md, from bench/results:
 * `npm run leaderboard -w petalface-site`.
 */
import { readFile, writeFile } from "node:fs/promises";
import { datedResults } from "./dated.ts";
import { leaderboardPage } from "./leaderboard.ts";

const docs = new URL("../../../docs/", import.meta.url);
await writeFile(new URL("leaderboard.md", docs), leaderboardPage());
const results = new URL("results.md", docs);
await writeFile(results, datedResults(await readFile(results, "utf8")));
