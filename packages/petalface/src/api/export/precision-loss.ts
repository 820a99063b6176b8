import type { Graph } from "onnx-grad";
import { itemAt } from "onnx-grad";
import type { Examples } from "../../adapters/index.ts";
import { type Backbone, type EmbeddingModel, openEmbedder } from "../../backbones/index.ts";
import { type FaceData, tallyOf, type Unreadable } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { evaluate, type LeftOut, labelled, type Protocol } from "../../evaluation/index.ts";
import { type Loader, openLoader } from "../../images/index.ts";
import type { Engine } from "../model.ts";
import { readableFaces } from "./readable.ts";

/** Low resolution for ranges and losses, in addition to the unchanged faces. */
const pixels = 16;
/** Faces that ranges are taken from, each sharp and at low resolution. */
const most = 128;

/** What another precision costs, against the same model in float32. */
export interface PrecisionLoss {
  readonly faces: number;
  /** Cosine between the two embeddings of one face: mean, and the least. */
  readonly cosine: { readonly mean: number; readonly least: number };
  /** Accuracies by condition, in float32 and now. */
  readonly accuracy: readonly {
    readonly condition: string;
    readonly before: number;
    readonly after: number;
    readonly standardError: number;
  }[];
}

const requestOf = (data: FaceData, face: number, low: boolean) => ({
  source: data.at(face).source,
  flip: false,
  degrade: low ? ({ kind: "lr", pixels } as const) : undefined,
});

/**
 * Chooses faces spread over a set, and leaves out those that cannot be read. Throws PetalfaceError
 * where too many cannot, or all.
 */
export async function chooseExamples(
  data: FaceData,
  loader: Pick<Loader, "load">,
): Promise<{ readonly examples: readonly number[]; readonly left: Unreadable }> {
  const count = Math.min(most, data.length);
  const spread = Array.from({ length: count }, (_, i) => Math.floor((i * data.length) / count));
  const tally = tallyOf(data);
  const examples = await readableFaces(data, spread, loader, tally);
  const left = tally.report();
  if (examples.length === 0)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${data.spec} holds no face that can be read${left.first[0] ? `: ${left.first[0]}` : ""}`,
    );
  return { examples, left };
}

/** Faces that are loaded and embedded together. */
const facesAtOnce = 16;

/** Faces of a set, sharp and at 16 px, for the ranges of a static quantisation. */
export async function* examplesOf(data: FaceData, faces: readonly number[], loader: Pick<Loader, "load">): Examples {
  const requests = faces.flatMap((face) => [requestOf(data, face, false), requestOf(data, face, true)]);
  for (let start = 0; start < requests.length; start += facesAtOnce) {
    const part = requests.slice(start, start + facesAtOnce);
    yield { planes: await loader.load(part), count: part.length };
  }
}

/** The deployed graph as a model that embeds. */
export const modelOf = (backbone: Backbone, graph: Graph): EmbeddingModel => {
  const [output = "", alpha] = graph.outputs;
  return { ...backbone, graph, output, ...(alpha !== undefined && { alpha }) };
};

/**
 * Measures what a precision costs, and refuses a model that is silently wrong. Throws
 * PetalfaceError if an embedding is not finite or the mean cosine is below `bar`.
 */
export async function measureLoss(
  before: EmbeddingModel,
  after: EmbeddingModel,
  task: {
    readonly data: FaceData;
    /** Numbers of faces that can be read, for the cosines. */
    readonly examples: readonly number[];
    readonly protocol: Protocol;
    readonly engine: Engine;
    readonly bar: number;
    readonly signal: AbortSignal;
  },
): Promise<PrecisionLoss & { readonly leftOut?: LeftOut | undefined }> {
  const { data, examples, protocol, engine, bar, signal } = task;
  await using loader = openLoader({ size: before.size, threads: engine.threads, faces: data.length });
  const options = { ...engine, batch: facesAtOnce };
  const [one, other] = [await openEmbedder(before, options), await openEmbedder(after, options)];
  try {
    const cosines: number[] = [];
    for await (const { planes, count } of examplesOf(data, examples, loader)) {
      const [a, b] = [await one.embed(planes, count), await other.embed(planes, count)];
      for (let face = 0; face < count; face++) {
        const row = (values: Float32Array): Float32Array =>
          values.subarray(face * before.width, (face + 1) * before.width);
        // A face that has no finite embedding in float32 either says nothing about the precision.
        if (row(a.data).every(Number.isFinite)) cosines.push(cosine(row(a.data), row(b.data)));
      }
    }
    if (cosines.length === 0)
      throw new PetalfaceError(
        "PETAL_NOT_FINITE",
        `the model has no finite embedding of any face of ${data.spec}; give others with 'data'`,
      );
    if (!cosines.every(Number.isFinite))
      throw new PetalfaceError(
        "PETAL_NOT_FINITE",
        "this precision gives embeddings that are not finite; nothing was written: use fp32",
      );
    const mean = cosines.reduce((sum, value) => sum + value, 0) / cosines.length;
    if (mean < bar)
      throw new PetalfaceError(
        "PETAL_MODEL_UNSUPPORTED",
        `this precision changes the embeddings too much: their mean cosine with float32 is ${mean.toFixed(4)}, below ${bar} ('leastCosine'); nothing was written: use fp16 or fp32, or give faces like yours with 'data'`,
      );
    const common = {
      protocol,
      degradations: [`lr:${pixels}`],
      loader,
      signal,
      bootstrap: { resamples: 200, seed: 1 },
    };
    const before32 = await evaluate({ ...common, model: one });
    const results = [before32, await evaluate({ ...common, model: other, leave: before32.leftOut })] as const;
    const accuracy = labelled(results[0].measures).flatMap((measure) => {
      const same = results[1].measures.find(({ key }) => key === measure.key);
      if (measure.kind !== "accuracy" || same === undefined) return [];
      const { value: after, standardError } = same;
      return [{ condition: measure.label.replace("accuracy ", ""), before: measure.value, after, standardError }];
    });
    const cosineOf = { mean, least: Math.min(...cosines) };
    return { faces: cosines.length, cosine: cosineOf, accuracy, leftOut: results[1].leftOut };
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [itemAt(a, i), itemAt(b, i)];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}

/** The loss in words. */
export const printLoss = ({ faces, cosine: { mean, least }, accuracy }: PrecisionLoss): string =>
  [
    `against float32, on ${faces} faces: cosine of embeddings ${mean.toFixed(5)} in the mean, ${least.toFixed(4)} at least`,
    ...accuracy.map(
      ({ condition, before, after, standardError }) =>
        `  accuracy ${condition}: ${(100 * before).toFixed(2)} -> ${(100 * after).toFixed(2)} % (standard error ${(100 * standardError).toFixed(2)})`,
    ),
  ].join("\n");
