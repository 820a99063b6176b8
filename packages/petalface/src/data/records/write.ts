import { chunkHead, recordHead, recordMagic } from "../../images/index.ts";

/** What goes before an image in its record. */
export interface RecordHeader {
  /** One number is written into the header itself, several behind it. Float32. */
  readonly label: number | readonly number[];
  readonly id: number;
  readonly id2?: number | undefined;
}

const magicBytes = Uint8Array.of(0x0a, 0x23, 0xd7, 0xce);
/** The length of a chunk has 29 bits. */
const longest = 2 ** 29 - 1;

/**
 * One record as MXNet's `recordio.pack` and `MXIndexedRecordIO.write` make it, byte for byte:
 * header, labels, payload, cut where the magic word would stand at a multiple of 4 (dmlc-core,
 * src/recordio.cc), padded to one.
 */
export function encodeRecord({ label, id, id2 = 0 }: RecordHeader, payload: Uint8Array): Uint8Array {
  const labels = typeof label === "number" ? [] : label;
  const body = Buffer.alloc(recordHead + 4 * labels.length + payload.length);
  if (body.length > longest) throw new RangeError(`a record of ${body.length} bytes`);
  body.writeUInt32LE(labels.length, 0);
  body.writeFloatLE(typeof label === "number" ? label : 0, 4);
  body.writeBigUInt64LE(BigInt(id), 8);
  body.writeBigUInt64LE(BigInt(id2), 16);
  labels.forEach((value, at) => {
    body.writeFloatLE(value, recordHead + 4 * at);
  });
  body.set(payload, recordHead + 4 * labels.length);
  return frame(body);
}

function frame(body: Buffer): Uint8Array {
  const cuts: number[] = [];
  for (let at = body.indexOf(magicBytes); at >= 0; at = body.indexOf(magicBytes, at + 1))
    if (at % 4 === 0) cuts.push(at);
  const pieces: Uint8Array[] = [];
  const chunk = (part: number, from: number, to: number): void => {
    const head = Buffer.alloc(chunkHead);
    head.writeUInt32LE(recordMagic, 0);
    head.writeUInt32LE(((part << 29) | (to - from)) >>> 0, 4);
    pieces.push(head, body.subarray(from, to));
  };
  let from = 0;
  for (const cut of cuts) {
    chunk(from === 0 ? 1 : 2, from, cut);
    from = cut + 4;
  }
  chunk(from === 0 ? 0 : 3, from, body.length);
  pieces.push(new Uint8Array((4 - (body.length % 4)) % 4));
  return Buffer.concat(pieces);
}
