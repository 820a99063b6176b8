import { type FileHandle, open } from "node:fs/promises";
import { PetalfaceError } from "../errors.ts";
import type { Preprocessing } from "./types.ts";

/** Keys under which {@link preprocessingMetadata} writes into a model's `metadata_props`. */
const keys = { mean: "petalface.mean", scale: "petalface.scale", channels: "petalface.channels" } as const;

/** The entries of `metadata_props` that make an exported model say how it wants its faces. */
export function preprocessingMetadata(preprocessing: Preprocessing): Record<string, string> {
  return {
    [keys.mean]: preprocessing.mean.join(","),
    [keys.scale]: preprocessing.scale.join(","),
    [keys.channels]: preprocessing.channels,
  };
}

/**
 * The inverse of {@link preprocessingMetadata}; undefined where the model says nothing. Throws
 * PetalfaceError where it is malformed.
 */
export function parsePreprocessing(metadata: ReadonlyMap<string, string>, path: string): Preprocessing | undefined {
  const [mean, scale, channels] = [metadata.get(keys.mean), metadata.get(keys.scale), metadata.get(keys.channels)];
  if (mean === undefined && scale === undefined && channels === undefined) return undefined;
  const triple = (text: string | undefined): [number, number, number] | undefined => {
    const numbers = (text ?? "").split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    const [a, b, c, more] = numbers;
    if (a === undefined || b === undefined || c === undefined || more !== undefined) return undefined;
    return numbers.every(Number.isFinite) ? [a, b, c] : undefined;
  };
  const [means, scales] = [triple(mean), triple(scale)];
  if (means === undefined || scales === undefined || (channels !== "rgb" && channels !== "bgr"))
    throw new PetalfaceError(
      "PETAL_MODEL_DAMAGED",
      `${path}: its petalface.* metadata is damaged; export the model again, or pass 'normalize'`,
    );
  return { mean: means, scale: scales, channels };
}

/** Field numbers of ModelProto (onnx.proto) that are read here. */
const METADATA_PROPS = 14;
const HIGHEST_FIELD = 40;
/** More than any honest entry; a bigger one is passed over. */
const LARGEST_ENTRY = 1 << 20;
/**
 * More than any honest model has at its top level; keeps a hostile file from costing millions of
 * reads.
 */
const MOST_FIELDS = 10_000;

function readVarint(bytes: Uint8Array, offset: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[offset + i];
    if (byte === undefined) return undefined;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, next: offset + i + 1 };
  }
  return undefined;
}

/** `StringStringEntryProto`: key is field 1, value field 2. */
function readEntry(bytes: Uint8Array): readonly [string, string] | undefined {
  const texts: Record<number, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const length = tag && readVarint(bytes, tag.next);
    if (tag === undefined || length === undefined || (tag.value & 7) !== 2) return undefined;
    texts[tag.value >>> 3] = Buffer.from(bytes.subarray(length.next, length.next + length.value)).toString("utf8");
    at = length.next + length.value;
  }
  return texts[1] === undefined ? undefined : [texts[1], texts[2] ?? ""];
}

async function scan(file: FileHandle, path: string): Promise<Map<string, string>> {
  const { size } = await file.stat();
  const broken = (): PetalfaceError =>
    new PetalfaceError("PETAL_MODEL_DAMAGED", `${path}: not an ONNX model, or cut short; export or download it again`);
  const metadata = new Map<string, string>();
  const head = new Uint8Array(20);
  if (size === 0) throw broken();
  for (let at = 0, fields = 0; at < size; fields++) {
    const { bytesRead } = await file.read(head, 0, head.length, at);
    const bytes = head.subarray(0, bytesRead);
    const tag = readVarint(bytes, 0);
    const number = tag && readVarint(bytes, tag.next);
    const field = tag && Math.floor(tag.value / 8);
    const wire = tag && tag.value % 8;
    if (!tag || !number || !field || field > HIGHEST_FIELD || (wire !== 0 && wire !== 2) || fields > MOST_FIELDS)
      throw broken();
    at += number.next;
    if (wire === 0) continue;
    if (number.value > size - at) throw broken();
    if (field === METADATA_PROPS && number.value <= LARGEST_ENTRY) {
      const entry = new Uint8Array(number.value);
      await file.read(entry, 0, entry.length, at);
      const pair = readEntry(entry);
      if (pair) metadata.set(...pair);
    }
    at += number.value;
  }
  return metadata;
}

/**
 * `metadata_props` of an ONNX file, found by hopping over its top-level fields, so a model of
 * gigabytes costs a few reads. Throws PetalfaceError if the file is not an ONNX model (protobuf
 * whose fields are ModelProto's) or is cut short.
 */
export async function readMetadata(path: string): Promise<Map<string, string>> {
  const file = await open(path);
  try {
    return await scan(file, path);
  } finally {
    await file.close();
  }
}
