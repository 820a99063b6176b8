import type { ImageRequest } from "../images/index.ts";
import { embedFaces } from "./divided.ts";
import type { EmbeddedFaces, EmbedFacesOptions } from "./embed.ts";

/** Some faces in a row, each shown in several ways. */
export interface EmbeddedGroups extends Omit<EmbeddedFaces, "data"> {
  /** `count x members x width`: the ways of one face one behind the other. */
  readonly data: Float32Array;
}

/**
 * As {@link embedFaces}, for faces that are each embedded in several ways. A face one of whose ways
 * has no finite embedding is left; it is reported once. Alpha is that of the first way. `kept`
 * counts embeddings, not faces.
 *
 * @param request what is shown of a face, by its number and by the number of the way
 */
export async function* embedGroups(
  count: number,
  members: number,
  request: (face: number, member: number) => ImageRequest,
  options: EmbedFacesOptions,
): AsyncGenerator<EmbeddedGroups> {
  const { onLeft } = options;
  const { width } = options.embedder;
  let lastLeft = -1;
  const onLeftMember: typeof onLeft =
    onLeft &&
    ((index, left) => {
      const face = Math.floor(index / members);
      if (face !== lastLeft) onLeft(face, left);
      lastLeft = face;
    });
  // Ways of a face whose others come with the next part.
  let pending: Part = { data: new Float32Array(0), alpha: undefined, left: [] };
  let start = 0;
  const asked = (index: number): ImageRequest => request(Math.floor(index / members), index % members);
  for await (const part of embedFaces(count * members, asked, { ...options, onLeft: onLeftMember })) {
    const all = joinParts(pending, part, width);
    const complete = Math.floor(all.data.length / width / members);
    const rows = complete * members;
    pending = {
      data: all.data.slice(rows * width),
      alpha: all.alpha?.slice(rows),
      left: all.left.filter((row) => row >= rows).map((row) => row - rows),
    };
    const left = new Set(all.left.filter((row) => row < rows).map((row) => Math.floor(row / members)));
    yield {
      start,
      count: complete,
      data: all.data.subarray(0, rows * width),
      alpha: all.alpha?.subarray(0, rows).filter((_, row) => row % members === 0),
      left: [...left],
      kept: part.kept,
    };
    start += complete;
  }
}

type Part = Pick<EmbeddedFaces, "data" | "alpha" | "left">;

function joinParts(one: Part, other: Part, width: number): Part {
  const before = one.data.length / width;
  if (before === 0) return other;
  return {
    data: joined(one.data, other.data),
    alpha: other.alpha && joined(one.alpha ?? new Float32Array(before).fill(Number.NaN), other.alpha),
    left: [...one.left, ...other.left.map((row) => row + before)],
  };
}

function joined(one: Float32Array, other: Float32Array): Float32Array {
  const out = new Float32Array(one.length + other.length);
  out.set(one);
  out.set(other, one.length);
  return out;
}
