import { type FaceData, openData, subset } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type Protocol, protocolOfPairs, syntheticPairs } from "../../evaluation/index.ts";
import { random } from "../../random.ts";
import { shrinkingRecipe, type TrainingChoices } from "../../training/index.ts";

/** The model of the demo: everyone may have it. */
export const demoModel = "fr_feature";

/** Low resolutions that the demo measures. */
export const demoPixels: readonly number[] = [16, 12];

/** How large the demo is. */
export interface DemoSize {
  /** Training images that every method sees. */
  readonly images: number;
  /** Synthetic people to measure on, two images each. */
  readonly people: number;
}

/** The main job fits into two minutes on two cores without AVX-512, whatever it is. */
export const demoSize: DemoSize = { images: 1600, people: 300 };

/** Minutes after which no other method is begun or waited for. */
export const demoMinutes = 5;

/** A way to adapt. */
export interface DemoMethod {
  readonly name: string;
  readonly about: string;
  readonly options: TrainingChoices;
}

/** The main job: trained, measured, reported and exported before anything is compared with it. */
export const mainMethod: DemoMethod = {
  name: "petal",
  about: "adapter that is off on sharp faces, distillation",
  options: { preset: "petal", ...shrinkingRecipe },
};

/** What it is compared with, in this order: the same layers, images and seed. */
export const otherMethods: readonly DemoMethod[] = [
  {
    name: "lora",
    about: "one low-rank adapter, always active",
    options: { preset: "petal", ...shrinkingRecipe, gate: "single" },
  },
  { name: "paper", about: "twin adapters, CosFace", options: { preset: "paper" } },
  {
    name: "full",
    about: "every weight trained",
    options: { preset: "petal", ...shrinkingRecipe, learningRate: 2.5e-4, method: "full" },
  },
];

/** Faces to train on, and other people to measure on. */
export interface DemoFaces {
  readonly train: FaceData;
  readonly test: FaceData;
  readonly protocol: Protocol;
  /** Passes over the training faces. */
  readonly epochs: number;
}

/** Synthetic people, or the user's own: two thirds of them to train on, one third to measure on. */
export async function demoFaces(own: FaceData | undefined, size: DemoSize): Promise<DemoFaces> {
  const { train, test } = own === undefined ? await syntheticFaces(size) : ownFaces(own);
  const protocol = protocolOfPairs(syntheticPairs(test, { pairs: 1200, folds: 5 }), test);
  return { train, test, protocol, epochs: size.images / train.length };
}

/** Different seeds draw different people. */
const syntheticFaces = async ({ images, people }: DemoSize): Promise<{ train: FaceData; test: FaceData }> => ({
  train: await openData(`synthetic:people=${Math.ceil(images / 4)},images=4,seed=1`),
  test: await openData(`synthetic:people=${people},images=2,seed=2`),
});

function ownFaces(data: FaceData): { train: FaceData; test: FaceData } {
  if (data.people.length < 30)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${data.spec} has ${data.people.length} people; the demo needs at least 30, one folder each, to train on some and measure on others`,
    );
  const order = random("demo people", 0).shuffle(data.people.map((name) => name));
  const measured = new Set(order.slice(0, Math.ceil(order.length / 3)));
  return {
    train: subset(data, (_, person) => person !== undefined && !measured.has(person)),
    test: subset(data, (_, person) => person !== undefined && measured.has(person)),
  };
}
