import { open, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import protobuf from "protobufjs/minimal.js";
import { makeFolder, writeFailure } from "../../files.ts";
import { maskedCrc32c } from "./crc32c.ts";

/** Named numbers at one step. */
export interface Scalars {
  readonly step: number;
  /** Seconds since 1970. */
  readonly time: number;
  readonly values: Readonly<Record<string, number>>;
}

/**
 * An event of TensorBoard's event file (tensorflow/core/util/event.proto): wall_time = 1 (double),
 * step = 2 (int64), file_version = 3 (string), summary = 5; summary.value = 1 (repeated), with tag
 * = 1 (string) and simple_value = 2 (float).
 */
export function encodeEvent(event: Scalars | { readonly time: number; readonly version: string }): Uint8Array {
  const writer = protobuf.Writer.create().uint32(9).double(event.time);
  if ("version" in event) return writer.uint32(26).string(event.version).finish();
  writer.uint32(16).int64(event.step).uint32(42).fork();
  for (const [tag, value] of Object.entries(event.values))
    writer.uint32(10).fork().uint32(10).string(tag).uint32(21).float(value).ldelim();
  return writer.ldelim().finish();
}

/** One TFRecord: length (8 bytes, little-endian), its masked CRC, the data, its masked CRC. */
export function encodeRecord(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return bytes;
}

/** Path of a run's event file. TensorBoard wants "tfevents" in its name. */
export const eventFile = (folder: string): string => join(folder, "tensorboard", "events.out.tfevents.petalface");

/** Appends events to the run's event file, which is begun where there is none. */
export async function appendEvents(folder: string, events: readonly Scalars[]): Promise<void> {
  const [first] = events;
  if (first === undefined) return;
  const path = eventFile(folder);
  await makeFolder(join(folder, "tensorboard"));
  try {
    await using file = await open(path, "a");
    const records = events.map((event) => encodeRecord(encodeEvent(event)));
    if ((await file.stat()).size === 0)
      records.unshift(encodeRecord(encodeEvent({ time: first.time, version: "brain.Event:2" })));
    await file.appendFile(Buffer.concat(records));
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** Drops the events after `step`, and whatever is torn or not of the format from there on. */
export async function rewindEvents(folder: string, step: number): Promise<void> {
  const path = eventFile(folder);
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return;
  let end = 0;
  while (end + 16 <= bytes.length) {
    const length = Number(bytes.readBigUInt64LE(end));
    const next = end + 16 + length;
    if (next > bytes.length || stepOf(bytes.subarray(end + 12, next - 4)) > step) break;
    if (bytes.readUInt32LE(next - 4) !== maskedCrc32c(bytes.subarray(end + 12, next - 4))) break;
    end = next;
  }
  if (end === bytes.length) return;
  try {
    await truncate(path, end);
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** The step of an encoded event; infinite for what is none. */
function stepOf(data: Uint8Array): number {
  try {
    const reader = protobuf.Reader.create(data);
    let step = 0;
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 16) step = Number(reader.int64());
      else reader.skipType(tag & 7);
    }
    return step;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
