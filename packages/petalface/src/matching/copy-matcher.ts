import { GraphBuilder, ops, tupleOf } from "onnx-grad";
import { floatsOf, openSession, type SessionOptions } from "../runtime/index.ts";
import type { EnrolledFaces } from "./copies.ts";
import { galleryBlock, type Matcher, probeBlock } from "./matcher.ts";
import { pairScores } from "./scores.ts";

/**
 * Keeps the length of a template that cancels itself from being divided by; far below that of any
 * other.
 */
const leastSquare = 1e-12;

/**
 * Opens a {@link Matcher} for galleries that are enrolled with copies: its rows are those of
 * {@link copyGalleryRows} and {@link copyProbeRows}. A score is the cosine of the probe and of
 * sharp + weight x copies, with the weight of that probe. It comes from two products a comparison,
 * so that no template is made for each probe. At weight 0 it is the plain cosine, bit for bit.
 *
 * @param width numbers of an embedding; the matcher's own rows are longer
 * @param block probes of a whole block; fewer than 512 save time where few come at once
 */
export async function openCopyMatcher(
  width: number,
  options: SessionOptions = {},
  block: number = probeBlock,
): Promise<Matcher> {
  const b = new GraphBuilder({ name: "match with copies", opset: 18 });
  const o = ops(b);
  const rows = 2 * width + 2;
  const probes = b.input("probes", { dtype: "float32", shape: [block, rows] });
  const faces = b.input("faces", { dtype: "float32", shape: [galleryBlock, rows] });
  const [probe, weight] = tupleOf(o.split(probes, [width, 1, width + 1], 1), 3);
  const [sharp, copies, mixed, squares] = tupleOf(o.split(faces, [width, width, 1, 1], 1), 4);
  const across = (column: string): string => o.reshape(column, [1, galleryBlock]);
  const product = o.add(o.gemm(probe, sharp, { transB: true }), o.mul(weight, o.gemm(probe, copies, { transB: true })));
  // |sharp + w copies|² of unit sharp rows; exactly 1 at w = 0.
  const square = o.add(o.add(o.mul(o.mul(weight, 2), across(mixed)), o.mul(o.mul(weight, weight), across(squares))), 1);
  const scores = o.div(product, o.sqrt(o.max(square, leastSquare)));
  const session = await openSession(b.build([scores]), options);
  const tensor = (data: Float32Array, count: number) => ({ dtype: "float32" as const, dims: [count, rows], data });
  return {
    width: rows,
    probes: block,
    async multiply(left, right) {
      const feeds = { probes: tensor(left, block), faces: tensor(right, galleryBlock) };
      return floatsOf(await session.run(feeds), scores);
    },
    close: () => session.close(),
  };
}

/**
 * Enrolled faces `chosen`, as rows of {@link openCopyMatcher}: sharp, copies, their product and the
 * copies' square.
 */
export function copyGalleryRows(faces: EnrolledFaces, chosen: ArrayLike<number>): Float32Array {
  const { width, sharp, copies } = faces;
  const length = 2 * width + 2;
  const out = new Float32Array(chosen.length * length);
  for (let place = 0; place < chosen.length; place++) {
    const from = chosen[place] * width;
    out.set(sharp.subarray(from, from + width), place * length);
    out.set(copies.subarray(from, from + width), place * length + width);
    const { mixed, squares } = productsOf(faces, chosen[place]);
    out[(place + 1) * length - 2] = mixed;
    out[(place + 1) * length - 1] = squares;
  }
  return out;
}

/**
 * Probes `chosen` of some unit rows, as rows of {@link openCopyMatcher}.
 *
 * @param weights of all rows, chosen or not
 */
export function copyProbeRows(
  rows: Float32Array,
  width: number,
  weights: Float32Array,
  chosen: ArrayLike<number>,
): Float32Array {
  const length = 2 * width + 2;
  const out = new Float32Array(chosen.length * length);
  for (let place = 0; place < chosen.length; place++) {
    const row = chosen[place];
    out.set(rows.subarray(row * width, (row + 1) * width), place * length);
    out[place * length + width] = weights[row];
  }
  return out;
}

/** Pairs of an enrolled face and a probe; arrays have one entry a pair. */
export interface CopyPairs {
  readonly enrolled: Int32Array;
  readonly probe: Int32Array;
}

/**
 * Scores of listed pairs, as {@link openCopyMatcher} gives them up to rounding. `probes`: unit
 * rows.
 */
export function copyPairScores(
  faces: EnrolledFaces,
  probes: Float32Array,
  weights: Float32Array,
  pairs: CopyPairs,
): Float32Array {
  const { width, sharp, copies } = faces;
  const { enrolled, probe } = pairs;
  return weighScores(
    faces,
    weights,
    pairs,
    pairScores(sharp, probes, width, enrolled, probe),
    pairScores(copies, probes, width, enrolled, probe),
  );
}

/**
 * Scores of listed pairs from their two products.
 *
 * @param sharpProducts, copyProducts of each pair, the probe times `faces.sharp` and times
 * `faces.copies`
 */
export function weighScores(
  faces: EnrolledFaces,
  weights: Float32Array,
  { enrolled, probe }: CopyPairs,
  sharpProducts: Float32Array,
  copyProducts: Float32Array,
): Float32Array {
  const known = new Map<number, ReturnType<typeof productsOf>>();
  return sharpProducts.map((product, pair) => {
    const face = enrolled[pair];
    const own = known.get(face) ?? productsOf(faces, face);
    known.set(face, own);
    const weight = weights[probe[pair]];
    const square = 1 + 2 * weight * own.mixed + weight * weight * own.squares;
    return (product + weight * copyProducts[pair]) / Math.sqrt(Math.max(square, leastSquare));
  });
}

/**
 * What the length of a template needs: the product of the photo and its copies, and the square of
 * the copies' length.
 */
function productsOf({ width, sharp, copies }: EnrolledFaces, face: number): { mixed: number; squares: number } {
  let [mixed, squares] = [0, 0];
  for (let i = face * width; i < (face + 1) * width; i++) {
    const value = copies[i];
    mixed += sharp[i] * value;
    squares += value * value;
  }
  return { mixed, squares };
}
