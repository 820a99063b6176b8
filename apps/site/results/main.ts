/** Writes docs/leaderboard.md from bench/results: `npm run leaderboard -w petalface-site`. */
import { writeFile } from "node:fs/promises";
import { leaderboardPage } from "./leaderboard.ts";

await writeFile(new URL("../../../docs/leaderboard.md", import.meta.url), leaderboardPage());
