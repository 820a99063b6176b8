import { type EmbeddedFaces, type EmbedFacesOptions, embedFaces, embedGroups } from "../../embeddings/index.ts";
import type { ImageRequest } from "../../images/index.ts";
import type { Fusion } from "./types.ts";

/** Some faces in a row, embedded; as {@link embedFaces} gives them. */
export type FusedFaces = Omit<EmbeddedFaces, "kept">;

/**
 * Embeds faces together with their mirror images, as the reference evaluators do: the sum of both
 * embeddings, as they are (`sum`) or each at unit length (`units`). Alpha is that of the face; the
 * mirror image is judged by itself. Both embeddings are kept one by one.
 */
export async function* embedFused(
  count: number,
  request: (index: number) => ImageRequest,
  fusion: Fusion,
  options: EmbedFacesOptions,
): AsyncGenerator<FusedFaces> {
  if (fusion === "none") {
    yield* embedFaces(count, request, options);
    return;
  }
  const { width } = options.embedder;
  const both = (index: number, member: number): ImageRequest => {
    const face = request(index);
    return member === 0 ? face : { ...face, flip: !face.flip };
  };
  for await (const { data: rows, kept: _, ...part } of embedGroups(count, 2, both, options)) {
    const data = new Float32Array(part.count * width);
    const row = (from: number): Float32Array => rows.subarray(from * width, (from + 1) * width);
    for (let face = 0; face < part.count; face++)
      add(row(2 * face), row(2 * face + 1), fusion === "units", data.subarray(face * width, (face + 1) * width));
    yield { ...part, data };
  }
}

function add(one: Float32Array, other: Float32Array, units: boolean, out: Float32Array): void {
  const [first, second] = units ? [1 / length(one), 1 / length(other)] : [1, 1];
  for (let i = 0; i < out.length; i++) out[i] = first * one[i] + second * other[i];
}

/** A row of zeros stays one. */
const length = (row: Float32Array): number => Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)) || 1;
