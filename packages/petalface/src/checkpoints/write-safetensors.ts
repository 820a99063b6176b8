import { PetalfaceError } from "../errors.ts";
import { writePiecesSafely } from "../files.ts";
import { type PlannedTensor, safetensorsHead } from "../tensors/index.ts";
import { hasNonFinite } from "./convert.ts";
import { quote } from "./pickle/machine.ts";
import { newReading, streamTensor } from "./read.ts";
import type { Checkpoint, CheckpointTensor } from "./types.ts";

/**
 * Where a converted tensor lies: float32, little-endian, row-major. ONNX can name it as external
 * data.
 */
export interface ConvertedTensor {
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export interface ConvertedFile {
  readonly path: string;
  readonly bytes: number;
  /** By the names that they were given, in file order. */
  readonly tensors: ReadonlyMap<string, ConvertedTensor>;
  /** Tensors that hold an infinity or NaN; empty unless these were asked to be kept. */
  readonly nonFinite: readonly string[];
}

export interface ConversionOptions {
  /** Free text for the file. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** What to do with tensors that hold an infinity or NaN. Default: refuse. */
  readonly nonFinite?: "refuse" | "keep";
  /** Called after each tensor with the bytes written and the bytes in all. */
  readonly progress?: (written: number, total: number) => void;
}

/**
 * All tensors together may be this many times as large as the storages that they view (float16
 * doubles, bool quadruples).
 */
const MOST_GROWTH = 8;
const FREE_GROWTH = 2 ** 26;
/** The data begin at a multiple of this, as onnxruntime likes its tensors. */
const ALIGNMENT = 64;

/**
 * Writes tensors of a checkpoint as one safetensors file of float32, whole or not at all. They pass
 * through memory a few megabytes at a time, so the size of the checkpoint does not matter.
 *
 * @param tensors new name and tensor, in the order of the file
 * @throws PetalfaceError where the checkpoint is damaged, a tensor is not finite, or the views
 * would grow without measure
 */
export async function writeFloat32(
  path: string,
  checkpoint: Checkpoint,
  tensors: Iterable<readonly [string, CheckpointTensor]>,
  options: ConversionOptions = {},
): Promise<ConvertedFile> {
  const list = [...tensors];
  const { metadata = {} } = options;
  const planned = new Map<string, PlannedTensor>();
  const storages = new Map<string, number>();
  let size = 0;
  for (const [name, { shape, elements, storage }] of list) {
    if (name === "__metadata__" || planned.has(name)) throw new RangeError(`two tensors are named ${quote(name)}`);
    planned.set(name, { dtype: "F32", shape, length: elements * 4 });
    size += elements * 4;
    storages.set(`${storage.offset} ${storage.file}`, storage.length);
  }
  const held = [...storages.values()].reduce((sum, length) => sum + length, 0);
  if (size > MOST_GROWTH * held + FREE_GROWTH)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSAFE",
      `${checkpoint.path}: its tensors would take ${size} bytes and the file holds ${held} for them; they are not weights`,
    );
  const head = safetensorsHead(planned, {
    metadata: Object.keys(metadata).length > 0 ? metadata : undefined,
    alignment: ALIGNMENT,
  });
  const start = head.length;

  const placed = new Map<string, ConvertedTensor>();
  const nonFinite = new Set<string>();
  const reading = newReading();
  async function* content(): AsyncGenerator<Uint8Array> {
    yield head;
    let written = 0;
    for (const [name, tensor] of list) {
      const length = tensor.elements * 4;
      placed.set(name, { shape: tensor.shape, offset: start + written, length });
      for await (const piece of streamTensor(checkpoint, tensor, reading)) {
        if (hasNonFinite(piece)) nonFinite.add(name);
        yield piece;
      }
      written += length;
      options.progress?.(written, size);
    }
    if (nonFinite.size > 0 && options.nonFinite !== "keep")
      throw new PetalfaceError(
        "PETAL_NOT_FINITE",
        `${checkpoint.path}: ${nonFinite.size} tensors hold infinities or NaN (${[...nonFinite].slice(0, 5).map(quote).join(", ")}); such a model cannot work`,
      );
  }
  await writePiecesSafely(path, content());
  return { path, bytes: start + size, tensors: placed, nonFinite: [...nonFinite] };
}
