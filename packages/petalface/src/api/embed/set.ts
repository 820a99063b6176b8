import type { Embedder } from "../../backbones/index.ts";
import type { FaceData, Sample, Tally } from "../../data/index.ts";
import {
  type EmbeddedFaces,
  type EmbeddingStore,
  embedEnrolled,
  embedFaces,
  type LeftFace,
} from "../../embeddings/index.ts";
import type { ImageRequest, Loader } from "../../images/index.ts";
import { type CopyOptions, copyTemplates } from "../../matching/index.ts";

/** One part of a data set, embedded. */
export interface EmbeddedBatch extends EmbeddedFaces {
  readonly samples: readonly Sample[];
}

/**
 * Embeds a whole set in its order, part by part; the next images are decoded while the engine
 * works. Faces that cannot be read or have no finite embedding are counted by `tally`, which throws
 * where they are too many.
 */
export async function* embedData(data: FaceData, how: EmbeddingMeans): AsyncGenerator<EmbeddedBatch> {
  const { request, options } = begin(data, how);
  for await (const faces of embedFaces(data.length, request, options))
    yield { ...faces, samples: samplesOf(data, faces) };
}

/**
 * As {@link embedData}, for faces enrolled with copies: a template a face, or where the weight
 * follows alpha two vectors a face, the photo at unit length and the sum of its copies. `kept`
 * counts embeddings of photos and copies.
 */
export async function* enrolData(
  data: FaceData,
  copies: CopyOptions,
  how: EmbeddingMeans,
): AsyncGenerator<EmbeddedBatch> {
  const { request, options } = begin(data, how);
  for await (const { sharp, copies: sums, ...faces } of embedEnrolled(data.length, request, copies, options)) {
    const { width, left } = faces;
    const without = new Set(left);
    const vectors = copies.weight === "alpha" ? 2 : 1;
    const rows = new Float32Array(faces.count * vectors * width);
    const whole = (values: Float32Array, row: number): Float32Array => values.subarray(row * width, (row + 1) * width);
    for (let row = 0; row < faces.count; row++) {
      if (without.has(row)) continue;
      const face = { width, sharp: whole(sharp, row), copies: whole(sums, row) };
      if (copies.weight === "alpha") {
        rows.set(face.sharp, 2 * row * width);
        rows.set(face.copies, (2 * row + 1) * width);
      } else rows.set(copyTemplates(face, copies.weight), row * width);
    }
    yield { ...faces, data: rows, samples: samplesOf(data, faces) };
  }
}

/** What embeds a set, and counts what it cannot. */
export interface EmbeddingMeans {
  readonly embedder: Embedder;
  readonly loader: Pick<Loader, "load">;
  readonly tally: Tally;
  readonly signal: AbortSignal;
  readonly store?: EmbeddingStore | undefined;
}

function begin(data: FaceData, { tally, ...means }: EmbeddingMeans) {
  const request = (index: number): ImageRequest => {
    const { source, quality } = data.at(index);
    return { source, flip: false, quality };
  };
  const onLeft = (_: number, { message, kind }: LeftFace): void => tally.bad(message, kind);
  tally.tried(data.length);
  return { request, options: { ...means, onLeft } };
}

const samplesOf = (data: FaceData, { start, count }: Pick<EmbeddedFaces, "start" | "count">): Sample[] =>
  Array.from({ length: count }, (_, i) => data.at(start + i));
