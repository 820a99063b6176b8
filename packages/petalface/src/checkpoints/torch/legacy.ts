import { readSync } from "node:fs";
import { PetalfaceError } from "../../errors.ts";
import { type OpenFile, readPart } from "../file.ts";
import { TruncatedPickle } from "../pickle/bytes.ts";
import { unpickle } from "../pickle/unpickle.ts";
import type { PickleStorage, PickleValue } from "../pickle/values.ts";
import { widthOf } from "../types.ts";
import type { TorchFile } from "./archive.ts";
import { callTorch, storageOf } from "./objects.ts";

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
const MOST_STORAGES = 16_384;
/** The pickles before the numbers are read whole: first this much of the file, then this much. */
const HEADS = [2 ** 20, 2 ** 26] as const;

interface Head {
  readonly value: PickleValue;
  readonly storages: ReadonlyMap<string, PickleStorage>;
  readonly keys: readonly string[];
  readonly littleEndian: boolean;
  /** First byte after the pickles. */
  readonly end: number;
}

/**
 * Reads what `torch.save` wrote before PyTorch 1.6: five pickles (magic number, protocol, machine,
 * the object, keys of storages), then each storage as a 64-bit count of elements and the elements.
 *
 * Format: PyTorch, torch/serialization.py, `_legacy_save`
 */
export async function readTorchLegacy(file: OpenFile): Promise<TorchFile> {
  const { path } = file;
  const { value, storages, keys, littleEndian, end } = await readHead(file);
  const places = new Map<string, number>();
  const count = Buffer.alloc(8);
  let position = end;
  if (keys.length > MOST_STORAGES)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSAFE",
      `${path}: ${keys.length} storages are more than any checkpoint has`,
    );
  for (const key of keys) {
    const storage = storages.get(key);
    if (storage === undefined || places.has(key))
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_DAMAGED",
        `${path}: storage ${JSON.stringify(key.slice(0, 80))} is listed and not used, or listed twice`,
      );
    // Read at once: eight bytes at a time through a thread would take seconds for the most
    // storages.
    if (readSync(file.handle.fd, count, 0, 8, position) < 8)
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_DAMAGED",
        `${path}: it ends at byte ${file.size}, before storage ${key}; is it complete?`,
      );
    const elements = littleEndian ? count.readBigInt64LE() : count.readBigInt64BE();
    if (elements * BigInt(widthOfStorage(storage)) !== BigInt(storage.recordLength))
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_DAMAGED",
        `${path}: storage ${key} has ${elements} elements and announces ${storage.recordLength} bytes`,
      );
    places.set(key, position + 8);
    position += 8 + storage.recordLength;
    if (position > file.size)
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_DAMAGED",
        `${path}: it ends at byte ${file.size}, inside storage ${key}; is it complete?`,
      );
  }
  return {
    format: "torch-legacy",
    value,
    locate: ({ key, start, length }) => {
      const place = places.get(key);
      if (place === undefined)
        throw new PetalfaceError(
          "PETAL_CHECKPOINT_DAMAGED",
          `${path}: storage ${key} is missing; is the file complete?`,
        );
      return { file: path, offset: place + start, length, littleEndian };
    },
  };
}

function widthOfStorage(storage: PickleStorage): number {
  return storage.dtype === undefined ? 1 : widthOf[storage.dtype];
}

async function readHead(file: OpenFile): Promise<Head> {
  for (const size of HEADS) {
    const bytes = await readPart(file, 0, Math.min(size, file.size));
    try {
      return parseHead(bytes, file.path);
    } catch (error) {
      if (!(error instanceof TruncatedPickle) || bytes.length === file.size) throw error;
    }
  }
  throw new PetalfaceError(
    "PETAL_CHECKPOINT_UNSUPPORTED",
    `${file.path}: its pickle is longer than ${HEADS[1]} bytes, so no checkpoint`,
  );
}

function parseHead(bytes: Uint8Array, path: string): Head {
  const storages = new Map<string, PickleStorage>();
  let position = 0;
  const next = (): PickleValue => {
    const { value, end } = unpickle(
      bytes,
      {
        name: path,
        python2: "text",
        call: callTorch,
        persistent: (id, machine) => {
          const storage = storageOf(id, machine);
          const known = storages.get(storage.key);
          if (known !== undefined && (known.dtype !== storage.dtype || known.recordLength !== storage.recordLength))
            throw new PetalfaceError(
              "PETAL_CHECKPOINT_DAMAGED",
              `${path}: storage ${storage.key} is announced in two ways`,
            );
          storages.set(storage.key, known ?? storage);
          return storage;
        },
      },
      position,
    );
    position = end;
    return value;
  };
  if (next() !== MAGIC)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${path}: a pickle, but not a checkpoint that torch.save wrote (its magic number is missing)`,
    );
  const protocol = next();
  if (protocol !== PROTOCOL)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${path}: a PyTorch checkpoint of unknown protocol ${String(protocol)}`,
    );
  const system = next();
  if (!(system instanceof Map))
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${path}: a PyTorch checkpoint without a description of its machine`,
    );
  const value = next();
  const keys = next();
  if (!Array.isArray(keys) || !keys.every((key): key is string => typeof key === "string"))
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${path}: a PyTorch checkpoint without a list of its storages`,
    );
  return { value, storages, keys, littleEndian: system.get("little_endian") !== false, end: position };
}
