import { endianness } from "node:os";
import { pipeline, Readable } from "node:stream";
import { crc32, createInflateRaw } from "node:zlib";
import { itemAt } from "onnx-grad";
import { messageOf, PetalfaceError } from "../errors.ts";
import { toFloat32Bytes } from "./convert.ts";
import { describeFile, fill, type OpenFile, openToRead, readPart } from "./file.ts";
import { type Box, cutBox, elementsOf, gather, isContiguous, type ReadStorage } from "./gather.ts";
import { quote } from "./pickle/machine.ts";
import { damaged, inflate } from "./torch/zip.ts";
import { type Checkpoint, type CheckpointTensor, type Quantizer, type Storage, widthOf } from "./types.ts";

/** Bytes of a storage that are held at once. */
const WINDOW = 2 ** 22;
/** Elements of a strided tensor that are put in order at once. */
const BLOCK = 2 ** 23;
/**
 * Bytes of a strided tensor's storage that are read at once: wide, because all between its elements
 * is read too.
 */
const STRIDED_WINDOW = 2 ** 24;
/** Deflated storages up to this size are unpacked whole; larger ones must be read in order. */
const UNPACKED = 2 ** 27;
/** A view may repeat elements; more repetition than this is not a weight. */
const MOST_REPETITION = 16;
const FREE_REPETITION = 2 ** 22;

type BufferUse = "window" | "block" | "converted";

/** What is kept between the tensors of one checkpoint that are read one after the other. */
export interface Reading {
  /** Storages whose CRC-32 was seen to be right. */
  readonly verified: Set<string>;
  /**
   * Memory that is used again: fresh buffers of megabytes would wait for the garbage collector by
   * the hundred.
   */
  readonly buffers: Map<BufferUse, Uint8Array<ArrayBuffer>>;
}

export function newReading(): Reading {
  return { verified: new Set(), buffers: new Map() };
}

function bufferOf({ buffers }: Reading, use: BufferUse, length: number): Uint8Array<ArrayBuffer> {
  const kept = buffers.get(use);
  if (kept !== undefined && kept.length >= length) return kept.subarray(0, length);
  const fresh = new Uint8Array(length);
  buffers.set(use, fresh);
  return fresh;
}

/**
 * A tensor's numbers in row-major order as float32, little-endian, in pieces of some megabytes;
 * float64 and large integers are rounded, quantised ones are what they stand for. Strided views are
 * put in order on the way. Where the file has a CRC-32 of the storage, it is checked. A piece may
 * be overwritten when the next one is asked for.
 *
 * @param reading give the same one for all tensors of a checkpoint that are read one after the
 * other
 * @throws PetalfaceError where the file changed since it was listed, is damaged, or where a view
 * repeats its numbers without measure
 */
export async function* streamTensor(
  checkpoint: Checkpoint,
  tensor: CheckpointTensor,
  reading: Reading = newReading(),
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const numbers = streamNumbers(checkpoint, tensor, reading);
  if (tensor.quantizer === undefined) yield* numbers;
  else yield* dequantise(checkpoint, tensor, tensor.quantizer, numbers);
}

/** Makes whole numbers what they stand for, in float32 as PyTorch's `dequantize` does. */
async function* dequantise(
  checkpoint: Checkpoint,
  { name, shape }: CheckpointTensor,
  { scales, zeroPoints, axis }: Quantizer<CheckpointTensor>,
  numbers: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const channels = async (item: number | CheckpointTensor): Promise<Float32Array> =>
    typeof item === "number" ? Float32Array.of(item) : await readTensor(checkpoint, item);
  const [scale, zero] = [await channels(scales), await channels(zeroPoints)];
  const count = axis === undefined ? 1 : shape[axis];
  if (scale.length !== count || zero.length !== count)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_DAMAGED",
      `${checkpoint.path}: tensor ${JSON.stringify(name)} of shape [${shape}] has ${scale.length} scales and ${zero.length} zero points; expected ${count ?? "an axis of the tensor, one"} of each`,
    );
  // So many numbers in a row belong to one channel.
  const run =
    axis === undefined ? Number.POSITIVE_INFINITY : shape.slice(axis + 1).reduce((product, side) => product * side, 1);
  let index = 0;
  for await (const bytes of numbers) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 4, index++) {
      const channel = Math.floor(index / run) % scale.length;
      const whole = Math.fround(view.getFloat32(at, true) - itemAt(zero, channel));
      view.setFloat32(at, whole * itemAt(scale, channel), true);
    }
    yield bytes;
  }
}

/** A tensor's numbers as they are stored. */
async function* streamNumbers(
  checkpoint: Checkpoint,
  tensor: CheckpointTensor,
  reading: Reading,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { storage, dtype } = tensor;
  const width = widthOf[dtype];
  if (tensor.elements * width > MOST_REPETITION * storage.length + FREE_REPETITION)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSAFE",
      `${storage.file}: tensor ${quote(tensor.name)} repeats ${storage.length} bytes to make [${tensor.shape}]; it is not a weight`,
    );
  if (tensor.elements === 0) return;
  await using handle = await openToRead(storage.file);
  const file = await describeFile(handle, storage.file);
  const known = checkpoint.files.get(storage.file);
  if (known?.size !== file.size || known.changed !== file.changed)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_DAMAGED",
      `${storage.file} has changed since it was listed; open it again`,
    );
  const done = (bytes: Uint8Array<ArrayBuffer>) =>
    toFloat32Bytes(bytes, dtype, storage.littleEndian, (length) => bufferOf(reading, "converted", length));

  if (isContiguous(tensor)) {
    const start = tensor.offset * width;
    for await (const bytes of readInOrder(file, storage, start, tensor.elements * width, reading)) yield done(bytes);
    return;
  }
  const read = await randomAccess(file, storage, reading);
  for (const box of cutBox(tensor satisfies Box, BLOCK)) {
    const bytes = bufferOf(reading, "block", elementsOf(box.shape) * width);
    await gather(box, width, STRIDED_WINDOW, read, bytes);
    yield done(bytes);
  }
}

/** A tensor's numbers, whole; see {@link streamTensor}. For small ones. */
export async function readTensor(checkpoint: Checkpoint, tensor: CheckpointTensor): Promise<Float32Array<ArrayBuffer>> {
  const bytes = new Uint8Array(tensor.elements * 4);
  let filled = 0;
  for await (const piece of streamTensor(checkpoint, tensor)) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return endianness() === "LE" ? new Float32Array(bytes.buffer) : swapped(bytes);
}

function swapped(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  Buffer.from(bytes.buffer).swap32();
  return new Float32Array(bytes.buffer);
}

const idOf = (storage: Storage): string => `${storage.offset} ${storage.file}`;

/**
 * Bytes `start` to `start + length` of a storage in pieces that hold whole elements. The whole
 * storage is checked the first time.
 */
async function* readInOrder(
  file: OpenFile,
  storage: Storage,
  start: number,
  length: number,
  reading: Reading,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (storage.deflated !== undefined) {
    yield* inflateInOrder(file, storage, storage.deflated, start, length);
    return;
  }
  const check = storage.crc32 !== undefined && !reading.verified.has(idOf(storage));
  const whole = start === 0 && length === storage.length;
  if (check && !whole) await checkStorage(file, storage, reading);
  let sum = 0;
  for (let at = 0; at < length; at += WINDOW) {
    const bytes = bufferOf(reading, "window", Math.min(WINDOW, length - at));
    await fill(file, bytes, storage.offset + start + at);
    if (check && whole) sum = crc32(bytes, sum);
    yield bytes;
  }
  if (check && whole) acknowledge(storage, sum, reading);
}

async function checkStorage(file: OpenFile, storage: Storage, reading: Reading): Promise<void> {
  let sum = 0;
  for (let at = 0; at < storage.length; at += WINDOW) {
    const part = bufferOf(reading, "window", Math.min(WINDOW, storage.length - at));
    await fill(file, part, storage.offset + at);
    sum = crc32(part, sum);
  }
  acknowledge(storage, sum, reading);
}

function acknowledge(storage: Storage, sum: number, reading: Reading): void {
  if (sum !== storage.crc32) throw damaged(`${storage.file}: the record at byte ${storage.offset}`);
  reading.verified.add(idOf(storage));
}

/**
 * Unpacks a deflated storage piece by piece to its end, so that its length and CRC-32 are known to
 * be right.
 */
async function* inflateInOrder(
  file: OpenFile,
  storage: Storage,
  deflated: number,
  start: number,
  length: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const name = `${storage.file}: the record at byte ${storage.offset}`;
  // Pieces end where elements end: WINDOW is a multiple of every width, and so are start and
  // length.
  let piece = new Uint8Array(Math.min(WINDOW, length));
  let filled = 0;
  let position = 0;
  let sum = 0;
  for await (const bytes of unpack(file, storage.offset, deflated, name)) {
    sum = crc32(bytes, sum);
    let from = Math.max(0, start - position);
    const end = Math.min(bytes.length, start + length - position);
    position += bytes.length;
    if (position > storage.length) break;
    while (from < end) {
      const count = Math.min(end - from, piece.length - filled);
      piece.set(bytes.subarray(from, from + count), filled);
      from += count;
      filled += count;
      if (filled < piece.length) continue;
      const left = Math.max(0, length - Math.max(0, position - bytes.length + from - start));
      yield piece;
      piece = new Uint8Array(Math.min(WINDOW, left));
      filled = 0;
    }
  }
  if (position !== storage.length)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_DAMAGED",
      `${name} does not unpack to the ${storage.length} bytes that it claims`,
    );
  if (storage.crc32 !== undefined && sum !== storage.crc32) throw damaged(name);
}

async function* unpack(file: OpenFile, offset: number, length: number, name: string): AsyncGenerator<Buffer> {
  const inflater = createInflateRaw({ chunkSize: 2 ** 18 });
  // A failure of the source reaches the loop below through the inflater, which the pipeline
  // destroys with it.
  pipeline(Readable.from(pieces(file, offset, length)), inflater, () => {});
  try {
    const unpacked: AsyncIterable<Buffer> = inflater;
    yield* unpacked;
  } catch (cause) {
    if (cause instanceof PetalfaceError) throw cause;
    throw new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${name} cannot be unpacked: ${messageOf(cause)}`, {
      cause,
    });
  }
}

async function* pieces(file: OpenFile, offset: number, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < length; at += 2 ** 18) yield await readPart(file, offset + at, Math.min(2 ** 18, length - at));
}

/** Any bytes of a storage, which is checked first. A deflated one is unpacked into memory. */
async function randomAccess(file: OpenFile, storage: Storage, reading: Reading): Promise<ReadStorage> {
  if (storage.deflated === undefined) {
    if (storage.crc32 !== undefined && !reading.verified.has(idOf(storage))) await checkStorage(file, storage, reading);
    return async (start, length) => {
      const bytes = bufferOf(reading, "window", length);
      await fill(file, bytes, storage.offset + start);
      return bytes;
    };
  }
  const name = `${storage.file}: the record at byte ${storage.offset}`;
  if (storage.length > UNPACKED)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${name} is compressed and not in order, and too large (${storage.length} bytes) to unpack in memory; open the file with PyTorch and save it again`,
    );
  const bytes = inflate(await readPart(file, storage.offset, storage.deflated), storage.length, name);
  if (storage.crc32 !== undefined && crc32(bytes) !== storage.crc32) throw damaged(name);
  return (start, length) => Promise.resolve(bytes.slice(start, start + length));
}
