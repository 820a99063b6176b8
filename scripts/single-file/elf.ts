import { type FileHandle, open } from "node:fs/promises";

/** Kinds of a segment (elf.h): loaded into memory, notes, the table of all segments. */
const [load, note, table] = [1, 4, 6];
const readable = 4;
/** No Linux has larger pages than these 64 KB. */
const page = 0x10000n;

/** Fields of a segment's entry that are read or written here, by their place in it (Elf64_Phdr). */
const [atFlags, atOffset, atAddress, atPhysical, atFileSize, atSize, atAlign, entryBytes] = [
  4, 8, 16, 24, 32, 40, 48, 56,
];

interface Place {
  readonly offset: bigint;
  readonly address: bigint;
  readonly bytes: bigint;
  readonly align: bigint;
}

function setEntry(entry: Buffer, kind: number, { offset, address, bytes, align }: Place): void {
  entry.writeUInt32LE(kind, 0);
  entry.writeUInt32LE(readable, atFlags);
  entry.writeBigUInt64LE(offset, atOffset);
  entry.writeBigUInt64LE(address, atAddress);
  entry.writeBigUInt64LE(address, atPhysical);
  entry.writeBigUInt64LE(bytes, atFileSize);
  entry.writeBigUInt64LE(bytes, atSize);
  entry.writeBigUInt64LE(align, atAlign);
}

/** The note's header: lengths of name and content, a kind of our own, and the name with its end. */
function noteHeader(name: string, bytes: number): Buffer {
  const text = Buffer.from(`${name}\0`);
  const header = Buffer.alloc(12 + Math.ceil(text.length / 4) * 4);
  header.writeUInt32LE(text.length, 0);
  header.writeUInt32LE(bytes, 4);
  text.copy(header, 12);
  return header;
}

/**
 * Adds a note to an executable file of 64-bit Linux, which the program finds in its memory by the
 * name (Node does so with `NODE_SEA_BLOB`). It stands behind all else, in a segment of its own.
 * The table of segments moves there too, because it has no room to grow where it is. Nothing else
 * moves, so this takes no longer than writing the content.
 */
export async function addNote(executable: string, name: string, content: Uint8Array): Promise<void> {
  const file = await open(executable, "r+");
  try {
    const header = await read(file, 64, 0);
    // The magic number, 64 bits, little-endian.
    if (header.readUInt32BE(0) !== 0x7f454c46 || header.readUInt16BE(4) !== 0x0201)
      throw new Error(`${executable} is no 64-bit executable file of Linux`);
    const count = header.readUInt16LE(56);
    const entries = await read(file, (count + 2) * entryBytes, Number(header.readBigUInt64LE(32)));
    const segments = Array.from({ length: count }, (_, at) => entries.subarray(at * entryBytes, (at + 1) * entryBytes));
    const loaded = segments.filter((segment) => segment.readUInt32LE(0) === load);
    const [first] = loaded;
    if (first === undefined) throw new Error(`${executable} has no segments`);
    // As far from its offset as the first segment: older kernels reckon with that.
    const distance = first.readBigUInt64LE(atAddress) - first.readBigUInt64LE(atOffset);
    const ends = loaded.map((each) => each.readBigUInt64LE(atAddress) + each.readBigUInt64LE(atSize) - distance);
    const end = [BigInt((await file.stat()).size), ...ends].reduce((a, b) => (a > b ? a : b));
    const offset = ((end + page - 1n) / page) * page;
    const place = (from: number, bytes: number, align: bigint): Place => ({
      offset: offset + BigInt(from),
      address: offset + BigInt(from) + distance,
      bytes: BigInt(bytes),
      align,
    });
    const noteStart = noteHeader(name, content.length);
    const padding = Buffer.alloc((4 - (content.length % 4)) % 4);
    const noteBytes = noteStart.length + content.length + padding.length;
    for (const segment of segments)
      if (segment.readUInt32LE(0) === table) setEntry(segment, table, place(0, entries.length, 8n));
    // Loaded segments stand in the order of their addresses, and this is the last one.
    setEntry(entries.subarray(count * entryBytes), load, place(0, entries.length + noteBytes, page));
    setEntry(entries.subarray((count + 1) * entryBytes), note, place(entries.length, noteBytes, 4n));
    let at = Number(offset);
    for (const part of [entries, noteStart, content, padding]) {
      await write(file, part, at);
      at += part.length;
    }
    header.writeBigUInt64LE(offset, 32);
    header.writeUInt16LE(count + 2, 56);
    await write(file, header, 0);
  } finally {
    await file.close();
  }
}

/**
 * Replaces the only occurrence of a text in a file by one of the same length.
 */
export async function replaceText(path: string, text: string, by: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    const bytes = await read(file, (await file.stat()).size, 0);
    const at = bytes.indexOf(text);
    if (at < 0 || bytes.indexOf(text, at + 1) >= 0) throw new Error(`${path} does not contain ${text} once`);
    if (text.length !== by.length) throw new Error(`${by} is not as long as ${text}`);
    await write(file, Buffer.from(by), at);
  } finally {
    await file.close();
  }
}

async function read(file: FileHandle, bytes: number, at: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
  if (bytesRead < bytes) throw new Error("the file is shorter than it says");
  return buffer;
}

/** One call writes at most 2 GB. */
async function write(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}
