import { open } from "node:fs/promises";

/**
 * The fill formula of the oracle (oracle/README.md): every weight of tensor number `t` as a
 * function of its position, so that networks of any size need no file.
 */
export interface FormulaTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly kind: string;
}

/** Number of the tensor that an input image stands for. */
const imageTensor = 4294967295;

const scales: Readonly<Record<string, (fanIn: number) => readonly [offset: number, factor: number]>> = {
  weight: (fanIn) => [0, 2 * Math.sqrt(3 / fanIn)],
  norm_weight: () => [1, 0.2],
  norm_weight_small: () => [0.3, 0.2],
  running_var: () => [1, 0.5],
  vector: () => [0, 0.1],
  table: () => [0, 0.1],
  prelu: () => [0.25, 0.1],
};

/** Fills `target` with elements `start`, `start + 1`, ... of a tensor. */
function fill(target: Float32Array, start: number, tensor: number, offset: number, factor: number): void {
  const own = (Math.imul(tensor, 2246822519) + 374761393) | 0;
  for (let at = 0; at < target.length; at++) {
    let h = (Math.imul(start + at, 2654435761) + own) | 0;
    h ^= h >>> 15;
    h = Math.imul(h, 2246822519);
    h ^= h >>> 13;
    h = Math.imul(h, 3266489917);
    h ^= h >>> 16;
    target[at] = offset + factor * ((h >>> 0) / 4294967296 - 0.5);
  }
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, side) => product * side, 1);

/**
 * Pieces of one tensor of a state dict; at most `most` numbers each, in memory that is used again.
 */
export function* formulaPieces(
  tensor: FormulaTensor,
  number: number,
  most = 2 ** 20,
): Generator<Float32Array<ArrayBuffer>> {
  const count = sizeOf(tensor.shape);
  const scale = scales[tensor.kind];
  if (scale === undefined) throw new Error(`no formula for ${tensor.kind}`);
  const [offset, factor] = scale(sizeOf(tensor.shape.slice(1)));
  const buffer = new Float32Array(Math.min(most, count));
  for (let start = 0; start < count; start += most) {
    const piece = buffer.subarray(0, Math.min(most, count - start));
    fill(piece, start, number, offset, factor);
    yield piece;
  }
}

/** One tensor, whole. */
export function formulaTensor(tensor: FormulaTensor, number: number): Float32Array<ArrayBuffer> {
  const [whole = new Float32Array(0)] = formulaPieces(tensor, number, Math.max(1, sizeOf(tensor.shape)));
  return whole;
}

/** An input of `count` numbers in [-1, 1). */
export function formulaInput(count: number): Float32Array<ArrayBuffer> {
  const input = new Float32Array(count);
  fill(input, 0, imageTensor, 0, 2);
  return input;
}

/**
 * Writes a state dict by formula as safetensors, a few megabytes at a time; what is left as built
 * is written as int64 zeros if it is one number.
 */
export async function writeFormula(path: string, tensors: readonly FormulaTensor[]): Promise<void> {
  const kept = tensors.flatMap((tensor, number) =>
    tensor.kind !== "as_built" || tensor.shape.length === 0 ? [{ tensor, number }] : [],
  );
  const header: Record<string, unknown> = {};
  let size = 0;
  for (const { tensor } of kept) {
    const bytes = tensor.kind === "as_built" ? 8 : 4 * sizeOf(tensor.shape);
    const dtype = tensor.kind === "as_built" ? "I64" : "F32";
    header[tensor.name] = { dtype, shape: tensor.shape, data_offsets: [size, size + bytes] };
    size += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.concat([Buffer.alloc(8), json, Buffer.alloc(-json.length & 7, 0x20)]);
  head.writeBigUInt64LE(BigInt(head.length - 8));
  await using file = await open(path, "w");
  await file.write(head);
  for (const { tensor, number } of kept) {
    if (tensor.kind === "as_built") await file.write(Buffer.alloc(8));
    else
      for (const piece of formulaPieces(tensor, number))
        await file.write(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
  }
}
