import { createHash } from "node:crypto";
import type {
  EmbeddingRecord,
  FaceEmbedding,
  GallerySettings,
  GalleryStore,
  NewFace,
} from "../../src/gallery/index.ts";
import { normaliseRows } from "../../src/matching/index.ts";
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
    vector,
    copies,
    alpha,
    score: alpha,
    source: bytesFrom(`source ${name}`, 16),
    picture: bytesFrom(`picture ${name}`, 32),
    crop: bytesFrom(`crop ${name}`, 5000),
  };
}

/** All that a gallery holds, by person and source. */
export async function contentOf(store: GalleryStore): Promise<Map<string, { vector: number[]; copies: number[] }>> {
  const names = new Map((await store.people()).map(({ id, name }) => [id, name]));
  const vectors = await store.vectors();
  const faces = await store.faces();
  if (faces.some(({ id }, at) => id !== vectors.faces[at])) throw new Error("faces and embeddings differ");
  return new Map(
    faces.map(({ person, source }, at) => [
      `${names.get(person)} ${Buffer.from(source).toString("hex")}`,
      {
        vector: [...vectors.vectors.subarray(at * width, (at + 1) * width)],
        copies: [...vectors.copies.subarray(at * width, (at + 1) * width)],
      },
    ]),
  );
}

/** A face of many: quick to make, and without a crop. */
export function lightFace(number: number): NewFace {
  const vector = Float32Array.from({ length: width }, (_, at) => Math.sin(number * 7 + at * at + 1));
  const source = new Uint8Array(16);
  new DataView(source.buffer).setInt32(0, number);
  const alpha = (Math.abs(number) % 5) / 4;
  return { vector, copies: vector.map((value) => value ** 3), alpha, score: null, source, picture: new Uint8Array(32) };
}

/** What a model that does not exist makes of a picture: it follows from the names of both. */
export function embeddingBy(source: Uint8Array, model: string): FaceEmbedding {
  const start = new DataView(source.buffer, source.byteOffset).getUint32(0) + (model === "model" ? 0.25 : 0.75);
  const vector = Float32Array.from({ length: width }, (_, at) => Math.sin(start * (at + 1)));
  return { vector, copies: vector.map((value) => value ** 3), alpha: 1, score: null };
}

/** Three faces of somebody, as a model sees them. */
export function facesOfPerson(name: string, model: string): NewFace[] {
  return [0, 1, 2].map((face) => {
    const source = bytesFrom(`${name}/${face}`, 16);
    return { ...embeddingBy(source, model), source, picture: new Uint8Array(32) };
  });
}

/** The mean of the faces of {@link facesOfPerson}, of length 1. */
export function meanOf(name: string): Float32Array {
  const sum = new Float32Array(width);
  for (const { vector } of facesOfPerson(name, "model"))
    normaliseRows(vector, width).forEach((value, at) => {
      sum[at] = (sum[at] ?? 0) + value;
    });
  return normaliseRows(sum, width);
}
