import { itemAt } from "onnx-grad";
import type { ImageRequest } from "../images/index.ts";
import { type CopyOptions, checkCopies, type EnrolledFaces, enrolFaces } from "../matching/index.ts";
import type { EmbeddedFaces, EmbedFacesOptions } from "./embed.ts";
import { embedGroups } from "./groups.ts";

/** Some faces in a row, enrolled with copies. */
export interface EnrolledPart extends EnrolledFaces, Omit<EmbeddedFaces, "data" | "kept"> {
  /** How many embeddings, of photos and copies, came from the store. */
  readonly kept: number;
}

/**
 * Embeds `count` faces as {@link embedFaces} does, each together with its low-resolution copies.
 * Rows of faces in `left` are NaN.
 *
 * @throws PetalfaceError for wrong sizes, and as {@link embedFaces} does
 */
export async function* embedEnrolled(
  count: number,
  request: (index: number) => ImageRequest,
  copies: Pick<CopyOptions, "sizes">,
  options: EmbedFacesOptions,
): AsyncGenerator<EnrolledPart> {
  const { width, size } = options.embedder;
  const { sizes } = copies;
  checkCopies({ sizes, weight: 0 }, size);
  const members = 1 + sizes.length;
  const shown = (face: number, member: number): ImageRequest =>
    member === 0 ? request(face) : { ...request(face), degrade: { kind: "lr", pixels: itemAt(sizes, member - 1) } };
  for await (const { data, ...part } of embedGroups(count, members, shown, options)) {
    const left = new Set(part.left);
    const member = (which: number): Float32Array => {
      const rows = new Float32Array(part.count * width);
      for (let face = 0; face < part.count; face++) {
        const from = (face * members + which) * width;
        if (!left.has(face)) rows.set(data.subarray(from, from + width), face * width);
      }
      return rows;
    };
    const enrolled = enrolFaces(
      member(0),
      sizes.map((_, place) => member(1 + place)),
      width,
    );
    for (const face of left) {
      enrolled.sharp.fill(Number.NaN, face * width, (face + 1) * width);
      enrolled.copies.fill(Number.NaN, face * width, (face + 1) * width);
    }
    yield { ...part, ...enrolled };
  }
}
