import { type EmbeddedFaces, type EmbedFacesOptions, embedFaces } from "../../embeddings/index.ts";
import type { ImageRequest } from "../../images/index.ts";
import type { Fusion } from "./types.ts";

/** Some faces in a row, embedded; as {@link embedFaces} gives them. */
export type FusedFaces = Omit<EmbeddedFaces, "kept">;

/**
 * Embeds faces together with their mirror images, as the reference evaluators do: the sum of both embeddings, as they are (`sum`) or
 * each at unit length (`units`). Alpha is that of the face; the mirror image is judged by itself. Both embeddings are kept one by one.
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
  const both = (index: number): ImageRequest => {
    const face = request(index >> 1);
    return index % 2 === 0 ? face : { ...face, flip: !face.flip };
  };
  let straight: Float32Array | undefined;
  let alphaOfStraight = Number.NaN;
  // A face whose mirror image has no finite embedding has none either; it is said once.
  const { onLeft } = options;
  let lastLeft = -1;
  const onLeftOfTwo: typeof onLeft =
    onLeft &&
    ((index, left) => {
      const face = index >> 1;
      if (face !== lastLeft) onLeft(face, left);
      lastLeft = face;
    });
  for await (const part of embedFaces(2 * count, both, { ...options, onLeft: onLeftOfTwo })) {
    const start = (part.start + 1) >> 1;
    const first = part.start % 2 === 0 ? start : start - 1;
    const complete = ((part.start + part.count) >> 1) - first;
    const data = new Float32Array(complete * width);
    const alpha = part.alpha === undefined ? undefined : new Float32Array(complete);
    for (let row = 0, out = 0; row < part.count; row++) {
      const numbers = part.data.subarray(row * width, (row + 1) * width);
      if (straight === undefined) {
        straight = numbers.slice();
        alphaOfStraight = part.alpha?.[row] ?? Number.NaN;
        continue;
      }
      add(straight, numbers, fusion === "units", data.subarray(out * width, (out + 1) * width));
      if (alpha !== undefined) alpha[out] = alphaOfStraight;
      straight = undefined;
      out++;
    }
    const left = Array.from({ length: complete }, (_, row) => row).filter((row) => Number.isNaN(data[row * width]));
    yield { start: first, count: complete, data, alpha, left };
  }
}

function add(one: Float32Array, other: Float32Array, units: boolean, out: Float32Array): void {
  const [first, second] = units ? [1 / length(one), 1 / length(other)] : [1, 1];
  for (let i = 0; i < out.length; i++) out[i] = first * (one[i] as number) + second * (other[i] as number);
}

/** A row of zeros stays one. */
const length = (row: Float32Array): number => Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)) || 1;
