export { addScaled, normaliseRows, pairScores, takeRows } from "./scores.ts";
