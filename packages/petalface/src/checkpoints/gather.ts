import { itemAt } from "onnx-grad";
/** A box of elements of a storage: a strided view, in elements. */
export interface Box {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/**
 * Reads `length` bytes of the storage from byte `start` on. The result begins at a multiple of 8 of
 * its buffer, and lasts until the next call.
 */
export type ReadStorage = (start: number, length: number) => Promise<Uint8Array<ArrayBuffer>>;

/** Elements from the first to the last of a box, those between included. */
export function extentOf({ shape, strides }: Box): number {
  return shape.reduce((sum, side, at) => sum + (side - 1) * itemAt(strides, at), 1);
}

export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** True where the elements lie in order without gaps. Strides of sides of one do not count. */
export function isContiguous({ shape, strides }: Box): boolean {
  let step = 1;
  for (let at = shape.length - 1; at >= 0; at--) {
    if (shape[at] !== 1 && strides[at] !== step) return false;
    step *= itemAt(shape, at);
  }
  return true;
}

/**
 * Cuts a box along its first sides into boxes of at most `most` elements; one after the other they
 * are the box in row-major order.
 */
export function* cutBox(box: Box, most: number): Generator<Box> {
  const [first, ...inner] = box.shape;
  if (first === undefined || elementsOf(box.shape) <= most) {
    yield box;
    return;
  }
  const [step = 0, ...innerStrides] = box.strides;
  const rows = Math.floor(most / elementsOf(inner));
  for (let at = 0; at < first; at += Math.max(1, rows)) {
    const offset = box.offset + at * step;
    if (rows >= 1) yield { offset, shape: [Math.min(rows, first - at), ...inner], strides: box.strides };
    else yield* cutBox({ offset, shape: inner, strides: innerStrides }, most);
  }
}

type Words =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>;

function wordsOf(bytes: Uint8Array<ArrayBuffer>, width: 1 | 2 | 4 | 8): Words {
  const { buffer, byteOffset, length } = bytes;
  if (width === 1) return bytes;
  if (width === 2) return new Uint16Array(buffer, byteOffset, length / 2);
  if (width === 4) return new Uint32Array(buffer, byteOffset, length / 4);
  return new BigUint64Array(buffer, byteOffset, length / 8);
}

/**
 * Collects the elements of a box in row-major order. Reads at most `window` bytes at once: where
 * the box reaches farther, it is halved along the side that reaches farthest.
 *
 * @param width bytes of an element
 * @param bytes where they go: as many as the box has, from a multiple of 8 of their buffer on
 */
export async function gather(
  box: Box,
  width: 1 | 2 | 4 | 8,
  window: number,
  read: ReadStorage,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const target = wordsOf(bytes, width);
  // Row-major strides of the target.
  const steps = new Array<number>(box.shape.length);
  let step = 1;
  for (let at = box.shape.length - 1; at >= 0; at--) {
    steps[at] = step;
    step *= itemAt(box.shape, at);
  }
  const visit = async (part: Box, start: number): Promise<void> => {
    const extent = extentOf(part);
    if (extent * width > window && extent > 1) {
      let side = 0;
      const reach = (at: number) => (itemAt(part.shape, at) - 1) * itemAt(part.strides, at);
      for (let at = 1; at < part.shape.length; at++) if (reach(at) > reach(side)) side = at;
      const length = itemAt(part.shape, side);
      const half = length >> 1;
      await visit({ ...part, shape: part.shape.with(side, half) }, start);
      const offset = part.offset + half * itemAt(part.strides, side);
      await visit({ ...part, offset, shape: part.shape.with(side, length - half) }, start + half * itemAt(steps, side));
      return;
    }
    copy(wordsOf(await read(part.offset * width, extent * width), width), target, part, steps, start);
  };
  if (bytes.length > 0) await visit(box, 0);
}

/** Copies a box whose first element is the first of `source`. */
function copy(source: Words, target: Words, { shape, strides }: Box, steps: readonly number[], start: number): void {
  const last = shape.length - 1;
  const row = (side: number, from: number, to: number): void => {
    if (side > last) {
      target[to] = source[from] as never;
      return;
    }
    const count = itemAt(shape, side);
    const stride = itemAt(strides, side);
    const step = itemAt(steps, side);
    if (side < last) {
      for (let at = 0; at < count; at++) row(side + 1, from + at * stride, to + at * step);
      return;
    }
    for (let at = 0; at < count; at++) target[to + at * step] = source[from + at * stride] as never;
  };
  row(0, 0, start);
}
