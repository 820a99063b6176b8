import { random } from "../../random.ts";
import { sketchBits } from "./layout.ts";

/** A Hadamard matrix of this size at least, so that small embeddings are mixed too. */
const leastSize = 64;

/**
 * Multiplies `values`, as many as a power of 2, with Sylvester's Hadamard matrix of that size, in
 * place: sums and differences, a round for each power of 2, not `length x length` products.
 */
export function multiplyHadamard(values: Float64Array): void {
  for (let half = 1; half < values.length; half *= 2)
    for (let start = 0; start < values.length; start += 2 * half)
      for (let at = start; at < start + half; at++) {
        const one = values[at];
        const other = values[at + half];
        values[at] = one + other;
        values[at + half] = one - other;
      }
}

/**
 * Returns a function that writes the sketch of an embedding of `width` numbers, of any length but
 * 0, as `sketchBits / 32` whole numbers from `at` on.
 *
 * The projections are those of a Hadamard matrix between random changes of sign, twice (Ailon and
 * Chazelle, STOC 2006): nearly as good as independent ones, and a hundred times as fast. They are
 * always the same ones, so sketches of several processes can be compared.
 */
export function sketcher(width: number): (unit: Float32Array, out: Uint32Array, at: number) => void {
  let size = leastSize;
  while (size < width) size *= 2;
  const stream = random("sketch", size);
  const signs = (): Float64Array => Float64Array.from({ length: size }, () => (stream.uint32() & 1 ? 1 : -1));
  const rounds = Array.from({ length: Math.max(1, sketchBits / size) }, () => [signs(), signs()] as const);
  const taken = Math.min(size, sketchBits);
  const values = new Float64Array(size);
  return (unit, out, at) => {
    out.fill(0, at, at + sketchBits / 32);
    rounds.forEach(([before, between], round) => {
      values.fill(0);
      for (let number = 0; number < width; number++) values[number] = before[number] * unit[number];
      multiplyHadamard(values);
      for (let number = 0; number < size; number++) values[number] *= between[number];
      multiplyHadamard(values);
      for (let number = 0; number < taken; number++) {
        const bit = round * size + number;
        if (values[number] < 0) out[at + (bit >> 5)] |= 1 << (bit & 31);
      }
    });
  };
}
