import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { entryOf, itemAt } from "onnx-grad";
import { normaliseRows } from "petalface/matching";
import { petalface } from "../skeleton/children.ts";
import { openFaceRows, requestsOf } from "../skeleton/faces.ts";
import { dot } from "../skeleton/linear.ts";
import { lfw, openShared } from "../skeleton/shared.ts";
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
  const backbone = await openShared("mobilefacenet");
  await using faces = await openFaceRows(backbone, availableParallelism());
  const { width } = backbone;
  const units = normaliseRows((await faces.embed(requestsOf(files))).rows, width);
  return files.map((_, at) => units.subarray(at * width, (at + 1) * width));
}

function bestThreshold(pairs: readonly { readonly same: boolean; readonly score: number }[]): number {
  const accuracy = (threshold: number): number => pairs.filter(({ same, score }) => score >= threshold === same).length;
  return Array.from({ length: 200 }, (_, step) => step / 200).reduce((best, threshold) =>
    accuracy(threshold) > accuracy(best) ? threshold : best,
  );
}
