import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { type FaceRecord, template } from "../../src/faces/index.ts";
import { paint } from "../images/helpers.ts";
import type { PutFace } from "./graphs.ts";

/**
 * In a canvas of 128 x 128 the face lies where an aligned face of 112 px has it, 8 px further to
 * the right and down.
 */
export const middle: PutFace = {
  box: [30, 30, 98, 118],
  points: template(112).map(([x, y]) => [x + 8, y + 8]) as unknown as PutFace["points"],
  score: 0.99,
};

export const corner: PutFace = {
  ...middle,
  box: [100, 2, 126, 30],
  score: 0.95,
  points: template(30).map(([x, y]) => [x + 98, y]) as unknown as PutFace["points"],
};

export function linesOf<T = FaceRecord>(out: string, name = "manifest.jsonl"): T[] {
  const text = readFileSync(join(out, name), "utf8");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

export async function writePhoto(path: string, width = 128, height = 128, seed = 0): Promise<void> {
  mkdirSync(join(path, ".."), { recursive: true });
  const { data } = paint(width, height, (x, y, channel) => (x * (channel + 1) + y * 3 + seed * 17) & 255);
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 1 })
    .toFile(path);
}
