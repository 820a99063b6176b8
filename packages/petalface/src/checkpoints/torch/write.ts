import { endianness } from "node:os";
import { crc32 } from "node:zlib";
import { writeFileSafely } from "../../files.ts";
import type { StoredTensor } from "../../tensors/index.ts";
import { rowMajor } from "../safetensors.ts";

const storageTypes: Readonly<Record<StoredTensor["dtype"], string>> = {
  F64: "DoubleStorage",
  F32: "FloatStorage",
  F16: "HalfStorage",
  BF16: "BFloat16Storage",
  I64: "LongStorage",
  I32: "IntStorage",
  I8: "CharStorage",
  U8: "ByteStorage",
};

/** PyTorch maps records into memory and wants them aligned. */
const ALIGNMENT = 64;
const ROOT = "archive";
/** Zip without its 64-bit extension ends here. */
const LARGEST = 2 ** 32 - 2 ** 20;

/**
 * Writes a state dict that `torch.load(path, weights_only=True)` reads: a zip as `torch.save` makes
 * it. Whole or not at all. For adapters and other small things: everything is in memory, and 4 GB
 * are the limit.
 *
 * @param tensors by name, in the order of the state dict; `data` must have the type and size that
 * `dtype` and `shape` say
 */
export async function writeTorchCheckpoint(
  path: string,
  tensors: Iterable<readonly [string, StoredTensor]>,
): Promise<void> {
  await writeFileSafely(path, encodeTorchCheckpoint(tensors));
}

/** The bytes that {@link writeTorchCheckpoint} writes; the same tensors give the same bytes. */
export function encodeTorchCheckpoint(tensors: Iterable<readonly [string, StoredTensor]>): Uint8Array<ArrayBuffer> {
  const list = [...tensors];
  if (new Set(list.map(([name]) => name)).size !== list.length) throw new RangeError("two tensors have the same name");
  for (const [name, { shape, data }] of list)
    if (shape.reduce((product, side) => product * side, 1) !== data.length)
      throw new RangeError(`tensor ${JSON.stringify(name)}: ${data.length} numbers do not fill [${shape.join(", ")}]`);
  const text = (value: string) => new TextEncoder().encode(value);
  return zip([
    ["data.pkl", pickleStateDict(list)],
    ["byteorder", text("little")],
    ...list.map(
      ([, { data }], at) =>
        [
          `data/${at}`,
          littleEndian(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), data.BYTES_PER_ELEMENT),
        ] as const,
    ),
    ["version", text("3\n")],
  ]);
}

/** An OrderedDict of tensors in protocol 2, each with its own storage. */
function pickleStateDict(tensors: readonly (readonly [string, StoredTensor])[]): Uint8Array {
  const parts: Buffer[] = [];
  const raw = (value: string) => parts.push(Buffer.from(value, "latin1"));
  const text = (value: string) => {
    const bytes = Buffer.from(value, "utf8");
    const length = Buffer.alloc(5, "X");
    length.writeUInt32LE(bytes.length, 1);
    parts.push(length, bytes);
  };
  const count = (value: number) => {
    if (value < 2 ** 31) {
      const bytes = Buffer.alloc(5, "J");
      bytes.writeInt32LE(value, 1);
      parts.push(bytes);
      return;
    }
    const bytes = Buffer.alloc(10, "\x8a", "latin1");
    bytes.writeUInt8(8, 1);
    bytes.writeBigInt64LE(BigInt(value), 2);
    parts.push(bytes);
  };
  const counts = (values: readonly number[]) => {
    raw("(");
    for (const value of values) count(value);
    raw("t");
  };
  const emptyDictionary = () => raw("ccollections\nOrderedDict\n)R");

  raw("\x80\x02");
  emptyDictionary();
  raw("(");
  for (const [at, [name, { dtype, shape, data }]] of tensors.entries()) {
    text(name);
    raw("ctorch._utils\n_rebuild_tensor_v2\n((");
    text("storage");
    raw(`ctorch\n${storageTypes[dtype]}\n`);
    text(String(at));
    text("cpu");
    count(data.length);
    raw("tQ");
    count(0);
    counts(shape);
    counts(rowMajor(shape));
    raw("\x89");
    emptyDictionary();
    raw("tR");
  }
  raw("u.");
  return Buffer.concat(parts);
}

/**
 * A zip of stored entries whose data begin at multiples of 64 bytes, by an extra field as PyTorch
 * does it. Times are 1980-01-01.
 */
function zip(files: readonly (readonly [string, Uint8Array])[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const [name, data] of files) {
    const fileName = Buffer.from(`${ROOT}/${name}`);
    const unpadded = position + 30 + fileName.length + 4;
    const extra = Buffer.alloc(4 + ((ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT), "Z");
    extra.write("FB", 0, "latin1");
    extra.writeUInt16LE(extra.length - 4, 2);
    // Shared by both headers: version 2.0, UTF-8 names, stored, date, CRC, both sizes, length of
    // the name.
    const common = Buffer.alloc(24);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x0800, 2);
    common.writeUInt16LE(0x21, 8);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(fileName.length, 22);
    const extraLength = Buffer.alloc(2);
    extraLength.writeUInt16LE(extra.length);
    parts.push(Buffer.from("PK\x03\x04", "latin1"), common, extraLength, fileName, extra, data);
    const rest = Buffer.alloc(16);
    rest.writeUInt32LE(position, 12);
    directory.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), common, rest, fileName);
    position = unpadded - 4 + extra.length + data.length;
    if (position > LARGEST) throw new RangeError("a checkpoint of more than 4 GB cannot be written");
  }
  const index = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(index.length, 12);
  end.writeUInt32LE(position, 16);
  if (files.length > 0xffff) throw new RangeError("a checkpoint of more than 65,000 tensors cannot be written");
  const bytes = new Uint8Array(position + index.length + end.length);
  let filled = 0;
  for (const part of [...parts, index, end]) {
    bytes.set(part, filled);
    filled += part.length;
  }
  return bytes;
}

/** The bytes of numbers as PyTorch expects them; a copy on a machine of the other order. */
function littleEndian(bytes: Uint8Array, width: number): Uint8Array {
  if (width === 1 || endianness() === "LE") return bytes;
  const copy = Buffer.from(bytes);
  return width === 2 ? copy.swap16() : width === 4 ? copy.swap32() : copy.swap64();
}
