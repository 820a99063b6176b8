import { createHash } from "node:crypto";
import type { EmbeddingRecord, GallerySettings, NewFace } from "../../src/gallery/index.ts";
import { random } from "../../src/random.ts";

/** Numbers of an embedding in these tests. */
export const width = 8;

/** A record of a model that does not exist. */
export function recordOf(name = "model"): EmbeddingRecord {
  const preprocessing = { mean: [0, 0, 0], scale: [1, 1, 1], channels: "rgb" } as const;
  const sha256 = createHash("sha256").update(name).digest("hex");
  const space = { id: sha256, model: name, sha256, preprocessing, size: 16, output: "embedding", width } as const;
  return {
    space: { ...space, template: "arcface", adapter: null },
    adapter: null,
    calibration: { measure: "sharpness", low: 0, high: 1 },
    source: { model: name, adapter: null, choices: {} },
  };
}

export const plainSettings: GallerySettings = { copies: [16, 12], keepCrops: false, thresholds: null };

const bytesFrom = (text: string, length: number): Uint8Array =>
  new Uint8Array(createHash("shake256", { outputLength: length }).update(text).digest());

/** A face whose every number follows from its name. */
export function faceOf(name: string, alpha = 1): NewFace {
  const stream = random("face", name);
  const vector = Float32Array.from({ length: width }, () => stream.normal());
  const copies = Float32Array.from({ length: width }, () => 0.5 * stream.normal());
  return {
    ...{ vector, copies, alpha, score: alpha },
    ...{ source: bytesFrom(`source ${name}`, 16), picture: bytesFrom(`picture ${name}`, 32) },
    crop: bytesFrom(`crop ${name}`, 5000),
  };
}
