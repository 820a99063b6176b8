import type { FaceData } from "../../src/data/index.ts";
import { type PairEmbeddings, type PairList, syntheticPairs } from "../../src/evaluation/index.ts";
import { random } from "../../src/random.ts";

/** A data set of numbered people whose images exist by name only. */
export function fakeData(people: number, imagesPerPerson: number | ((person: number) => number)): FaceData {
  const samples = Array.from({ length: people }, (_, person) =>
    Array.from(
      { length: typeof imagesPerPerson === "number" ? imagesPerPerson : imagesPerPerson(person) },
      (_, image) => ({
        id: `p${person}/${image}.png`,
        person,
        source: { kind: "synthetic", seed: 1, person, image } as const,
      }),
    ),
  ).flat();
  return {
    spec: "fake",
    length: samples.length,
    at: (index) => samples[index],
    people: Array.from({ length: people }, (_, person) => `p${person}`),
    fingerprint: "00",
  };
}

/** A protocol of 80 people, three images each. */
export function fakeProtocol(pairs = 240, folds = 4): PairList {
  return syntheticPairs(fakeData(80, 3), { pairs, folds, seed: 3 });
}

/**
 * Embeddings of a protocol: a person's direction plus noise. The same seed gives the same people
 * and noise.
 */
export function fakeEmbeddings(protocol: PairList, noise: number, seed = 1, width = 8): PairEmbeddings {
  const centres = random(seed, "people");
  const person = Float64Array.from({ length: protocol.people.length * width }, () => centres.normal());
  const jitter = random(seed, "noise", noise);
  const data = new Float32Array(protocol.images.length * width);
  protocol.images.forEach((image, index) => {
    for (let k = 0; k < width; k++)
      data[index * width + k] = person[image.person * width + k] + noise * jitter.normal();
  });
  return { width, data };
}
