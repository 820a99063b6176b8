import { crc32, deflateRawSync } from "node:zlib";

/** Bytes from Latin-1 text and bytes, one after the other. */
export function bytes(...parts: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
}

const little = (value: number, width: 2 | 4): Buffer => {
  const buffer = Buffer.alloc(width);
  buffer.writeUIntLE(value, 0, width);
  return buffer;
};

export function uint64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value);
  return buffer;
}

/** BINUNICODE. */
export function text(value: string): Buffer {
  const utf8 = Buffer.from(value, "utf8");
  return bytes("X", little(utf8.length, 4), utf8);
}

/** BININT. */
export function int(value: number): Buffer {
  const buffer = Buffer.alloc(5, "J");
  buffer.writeInt32LE(value, 1);
  return buffer;
}

export const tuple = (...items: readonly (string | Uint8Array)[]): Buffer => bytes("(", ...items, "t");
export const ints = (values: readonly number[]): Buffer => tuple(...values.map(int));

/** A dictionary of already pickled values. */
export function dict(entries: Readonly<Record<string, string | Uint8Array>>): Buffer {
  return bytes("}(", ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]), "u");
}

export interface TensorParts {
  readonly key?: string;
  readonly type?: string;
  /** Elements of the storage. */
  readonly count?: number;
  readonly offset?: number;
  readonly shape?: readonly number[];
  readonly strides?: readonly number[];
  /** Old files only: what follows the count in the id. */
  readonly view?: string;
}

/** What pickles a tensor. Default: four float32 in a square. */
export function tensor(parts: TensorParts = {}): Buffer {
  const {
    key = "0",
    type = "FloatStorage",
    count = 4,
    offset = 0,
    shape = [2, 2],
    strides = [2, 1],
    view = "",
  } = parts;
  const id = tuple(text("storage"), `ctorch\n${type}\n`, text(key), text("cpu"), int(count), view);
  const hooks = "ccollections\nOrderedDict\n)R";
  return bytes(
    "ctorch._utils\n_rebuild_tensor_v2\n",
    tuple(id, "Q", int(offset), ints(shape), ints(strides), "\x89", hooks),
    "R",
  );
}

/** A pickle of protocol 2. */
export const pickle = (...parts: readonly (string | Uint8Array)[]): Buffer => bytes("\x80\x02", ...parts, ".");

export interface Entry {
  readonly name: string;
  readonly data: Uint8Array;
  readonly deflate?: boolean;
  /** What the directory and the header say, where it is not the truth. */
  readonly lie?: {
    readonly crc32?: number;
    readonly length?: number;
    readonly stored?: number;
    readonly method?: number;
    readonly flags?: number;
  };
  /** Name in the header before the data. */
  readonly localName?: string;
  /** Place of the header that the directory names. */
  readonly at?: number;
  /** Sizes and place in the 64-bit extension. */
  readonly wide?: boolean;
}

/** A zip as the entries say, right or wrong. */
export function zip(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const { name, data, deflate = false, lie = {}, localName = name, at, wide = false } of entries) {
    const stored = deflate ? deflateRawSync(data) : data;
    const sizes = [lie.stored ?? stored.length, lie.length ?? data.length] as const;
    const place = at ?? position;
    const common = (fileName: string, extra: Buffer): Buffer =>
      bytes(
        little(wide ? 45 : 20, 2),
        little(lie.flags ?? 0x800, 2),
        little(lie.method ?? (deflate ? 8 : 0), 2),
        little(0, 4),
        little(lie.crc32 ?? crc32(data), 4),
        ...sizes.map((size) => little(wide ? 0xffffffff : size, 4)),
        little(Buffer.byteLength(fileName), 2),
        little(extra.length, 2),
      );
    const wideSizes = [uint64(BigInt(sizes[1])), uint64(BigInt(sizes[0]))];
    const localExtra = wide ? bytes(little(1, 2), little(16, 2), ...wideSizes) : Buffer.alloc(0);
    const extra = wide ? bytes(little(1, 2), little(24, 2), ...wideSizes, uint64(BigInt(place))) : Buffer.alloc(0);
    const local = bytes("PK\x03\x04", common(localName, localExtra), Buffer.from(localName), localExtra, stored);
    parts.push(local);
    directory.push(
      bytes(
        "PK\x01\x02\x14\0",
        common(name, extra),
        "\0\0\0\0\0\0\0\0\0\0",
        little(wide ? 0xffffffff : place, 4),
        Buffer.from(name),
        extra,
      ),
    );
    position += local.length;
  }
  const index = Buffer.concat(directory);
  const end = bytes(
    "PK\x05\x06\0\0\0\0",
    little(entries.length, 2),
    little(entries.length, 2),
    little(index.length, 4),
    little(position, 4),
    "\0\0",
  );
  return Buffer.concat([...parts, index, end]);
}

/** Float32 as they lie in a file. */
export function floats(...values: readonly number[]): Uint8Array {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) buffer.writeFloatLE(value, at * 4);
  return buffer;
}

/** What torch.save writes: the pickle of a value, and records by key. */
export function torchZip(
  value: string | Uint8Array,
  records: Readonly<Record<string, Uint8Array>> = { 0: floats(1, 2, 3, 4) },
  more: readonly Entry[] = [],
): Buffer {
  return zip([
    { name: "archive/data.pkl", data: pickle(value) },
    { name: "archive/byteorder", data: Buffer.from("little") },
    ...Object.entries(records).map(([key, data]) => ({ name: `archive/data/${key}`, data })),
    ...more,
  ]);
}

/** What torch.save wrote before 1.6. Records: elements as announced, and bytes. */
export function torchLegacy(
  value: string | Uint8Array,
  records: readonly (readonly [string, number, Uint8Array])[] = [["0", 4, floats(1, 2, 3, 4)]],
): Buffer {
  const magic = Buffer.from("6cfc9c46f9206aa85019", "hex");
  return bytes(
    pickle("\x8a\x0a", magic),
    pickle(int(1001)),
    pickle(dict({ protocol_version: int(1001), little_endian: "\x88" })),
    pickle(value),
    pickle("](", ...records.map(([key]) => text(key)), "e"),
    ...records.flatMap(([, count, data]) => [uint64(BigInt.asUintN(64, BigInt(count))), data]),
  );
}
