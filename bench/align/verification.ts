import { readdirSync } from "node:fs";
import { join } from "node:path";
import { entryOf, itemAt } from "onnx-grad";
import { openBackbone, openEmbedder } from "petalface/backbones";
import { openLoader } from "petalface/images";
import { petalface } from "../skeleton/children.ts";
import { lfw, modelFile } from "../skeleton/shared.ts";
import { mean, sum } from "../skeleton/statistics.ts";
import { photoFolder, readSample } from "./sample.ts";

const partners = 10;

/** How well a recogniser works on our crops, compared with the given ones. */
export interface Verification {
  readonly cosine: { readonly mean: number; readonly low: number };
  readonly pairs: number;
  readonly given: number;
  readonly ours: number;
  /** Of the difference, over photos. */
  readonly standardError: number;
}

/** Aligns the sample into `out` and compares MobileFaceNet's embeddings. Needs PETALFACE_SHARED. */
export async function measureVerification(out: string): Promise<Verification> {
  await petalface(["align", photoFolder, "--out", out]);
  const photos = readSample().map(({ file }) => ({ person: itemAt(file.split("/", 1), 0), file }));
  const others = photos.map(({ person, file }) =>
    readdirSync(join(lfw, person))
      .sort()
      .map((name) => `${person}/${name}`)
      .filter((other) => other !== file)
      .slice(0, partners),
  );
  // Strangers: the photos of the people further on in the sample, as many for each photo as it has
  // of its own person.
  const strangers = photos.map(({ person }, at) =>
    others[at].map((_, step) => {
      const start = (at + 7 * (step + 1)) % photos.length;
      const other = [...photos.slice(start), ...photos].find((photo) => photo.person !== person);
      return other?.file as string;
    }),
  );
  const needed = [...new Set([...photos.map(({ file }) => file), ...others.flat(), ...strangers.flat()])];
  const given = await embed(needed.map((file) => join(lfw, file)));
  const ours = await embed(photos.map(({ file }) => join(out, file.replace(/\.jpg$/, ".png"))));
  const numberOf = new Map(needed.map((file, at) => [file, at]));
  const vector = (file: string): Float32Array => given[entryOf(numberOf, file)];
  const scores = (own: (at: number) => Float32Array) =>
    photos.map((_, at) => [
      ...others[at].map((file) => ({ same: true, score: dot(own(at), vector(file)) })),
      ...strangers[at].map((file) => ({ same: false, score: dot(own(at), vector(file)) })),
    ]);
  const [before, after] = [scores((at) => vector(photos[at]?.file)), scores((at) => ours[at])];
  const threshold = bestThreshold(before.flat());
  const right = (pairs: (typeof before)[number]): number =>
    pairs.filter(({ same, score }) => score >= threshold === same).length;
  const pairs = before.flat().length;
  const changes = before.map((list, at) => right(after[at]) - right(list));
  const cosines = photos.map(({ file }, at) => dot(vector(file), ours[at])).sort((a, b) => a - b);
  return {
    cosine: {
      mean: mean(cosines),
      low: itemAt(cosines, Math.floor(cosines.length / 20)),
    },
    pairs,
    given: sum(before.map(right)) / pairs,
    ours: sum(after.map(right)) / pairs,
    standardError: Math.sqrt(sum(changes.map((change) => change ** 2))) / pairs,
  };
}

/** Embeddings of length 1. */
async function embed(files: readonly string[]): Promise<Float32Array[]> {
  const backbone = await openBackbone(modelFile("mobilefacenet"));
  const embedder = await openEmbedder(backbone);
  const loader = openLoader({ size: backbone.size, threads: 0 });
  const vectors: Float32Array[] = [];
  for (let start = 0; start < files.length; start += embedder.batch) {
    const part = files.slice(start, start + embedder.batch);
    const planes = await loader.load(part.map((path) => ({ source: { kind: "file", path }, flip: false })));
    const { data, width } = await embedder.embed(planes, part.length);
    for (let at = 0; at < part.length; at++) {
      const row = data.slice(at * width, (at + 1) * width);
      const norm = Math.sqrt(dot(row, row));
      vectors.push(row.map((value) => value / norm));
    }
  }
  await Promise.all([loader.close(), embedder.close()]);
  return vectors;
}

const dot = (one: Float32Array, other: Float32Array): number =>
  one.reduce((sum, value, at) => sum + value * itemAt(other, at), 0);

function bestThreshold(pairs: readonly { readonly same: boolean; readonly score: number }[]): number {
  const accuracy = (threshold: number): number => pairs.filter(({ same, score }) => score >= threshold === same).length;
  return Array.from({ length: 200 }, (_, step) => step / 200).reduce((best, threshold) =>
    accuracy(threshold) > accuracy(best) ? threshold : best,
  );
}
