import { itemAt } from "onnx-grad/basics";
/** 32-bit words of a perceptual hash. */
export const hashWords = 8;

const side = 64;
const kept = 16;

/** Rows 1 to 16 of the DCT-II of 64 values; the constant row says only how bright a picture is. */
const cosines = Float64Array.from({ length: kept * side }, (_, at) => {
  const [frequency, place] = [Math.floor(at / side) + 1, at % side];
  return Math.cos(((2 * place + 1) * frequency * Math.PI) / (2 * side));
});

/**
 * A perceptual hash of 256 bits after PDQ (Meta, "The TMK+PDQF video-hashing algorithm and the PDQ
 * image-hashing algorithm", 2019): luma at 64 x 64, the 16 x 16 lowest frequencies of its DCT
 * without the constant ones, one bit each: above the median or not. Compressed, resized, slightly
 * cropped or brightened copies differ in few bits, other pictures in about half.
 *
 * @param planes 8-bit RGB planes of `size` x `size`
 * @param out gets 8 words at `offset`
 */
export function hashFace(planes: Uint8Array, size: number, out: Uint32Array, offset: number): void {
  const luma = shrinkLuma(planes, size);
  const half = new Float64Array(kept * side);
  for (let frequency = 0; frequency < kept; frequency++)
    for (let row = 0; row < side; row++) {
      let sum = 0;
      for (let at = 0; at < side; at++) sum += cosines[frequency * side + at] * luma[row * side + at];
      half[frequency * side + row] = sum;
    }
  const values = new Float64Array(kept * kept);
  for (let down = 0; down < kept; down++)
    for (let across = 0; across < kept; across++) {
      let sum = 0;
      for (let at = 0; at < side; at++) sum += cosines[down * side + at] * half[across * side + at];
      values[down * kept + across] = sum;
    }
  const sorted = values.toSorted();
  const median = (itemAt(sorted, values.length / 2 - 1) + itemAt(sorted, values.length / 2)) / 2;
  for (let word = 0; word < hashWords; word++) {
    let bits = 0;
    for (let bit = 0; bit < 32; bit++) if (values[word * 32 + bit] > median) bits |= 1 << bit;
    out[offset + word] = bits;
  }
}

/** Luma (BT.601) averaged to 64 x 64, boxes of fractional pixels; a smaller face is repeated. */
function shrinkLuma(planes: Uint8Array, size: number): Float64Array {
  const area = size * size;
  const rows = new Float64Array(side * size);
  const weights = boxes(size);
  for (let row = 0; row < size; row++)
    for (const { target, source, weight } of weights) {
      const at = row * size + source;
      const luma = 0.299 * planes[at] + 0.587 * planes[area + at] + 0.114 * planes[2 * area + at];
      rows[row * side + target] += weight * luma;
    }
  const out = new Float64Array(side * side);
  for (const { target, source, weight } of weights)
    for (let at = 0; at < side; at++) out[target * side + at] += weight * rows[source * side + at];
  return out;
}

interface Box {
  readonly target: number;
  readonly source: number;
  readonly weight: number;
}

const known = new Map<number, readonly Box[]>();

function boxes(size: number): readonly Box[] {
  const before = known.get(size);
  if (before !== undefined) return before;
  const made: Box[] = [];
  const scale = size / side;
  for (let target = 0; target < side; target++) {
    const [left, right] = [target * scale, (target + 1) * scale];
    for (let source = Math.floor(left); source < Math.min(Math.ceil(right), size); source++) {
      const weight = (Math.min(right, source + 1) - Math.max(left, source)) / scale;
      if (weight > 0) made.push({ target, source, weight });
    }
  }
  known.set(size, made);
  return made;
}

/** Bits in which two hashes differ. */
export function hashDistance(hashes: Uint32Array, one: number, other: number): number {
  let distance = 0;
  for (let word = 0; word < hashWords; word++) {
    let bits = hashes[one * hashWords + word] ^ hashes[other * hashWords + word];
    bits -= (bits >>> 1) & 0x55555555;
    bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
    distance += Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return distance;
}
