import { appendFile, mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import protobuf from "protobufjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { crc32c, maskedCrc32c } from "../../src/training/run/crc32c.ts";
import {
  appendEvents,
  encodeEvent,
  encodeRecord,
  eventFile,
  rewindEvents,
} from "../../src/training/run/tensorboard.ts";

/** The parts of tensorflow/core/util/event.proto and framework/summary.proto that scalars need. */
const schema = protobuf.parse(`
  syntax = "proto3";
  message Value { string tag = 1; float simple_value = 2; }
  message Summary { repeated Value value = 1; }
  message Event { double wall_time = 1; int64 step = 2; oneof what { string file_version = 3; Summary summary = 5; } }
`).root;
const Event = schema.lookupType("Event");

interface Decoded {
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion?: string;
  readonly summary?: { readonly value: readonly { readonly tag: string; readonly simpleValue: number }[] };
}

/** Reads an event file strictly: both checksums of every record, nothing left over. */
function decode(bytes: Buffer): Decoded[] {
  const events: Decoded[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data));
    events.push(Event.toObject(Event.decode(data), { longs: Number }) as unknown as Decoded);
    at += 16 + length;
  }
  return events;
}

describe("crc32c", () => {
  it("gives the checksums of RFC 3720, B.4, and of the check value of the CRC catalogue", () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  });
});

describe("event files", () => {
  let run: string;
  beforeEach(async () => {
    run = await mkdtemp(join(tmpdir(), "petalface-events-"));
  });
  afterEach(() => rm(run, { recursive: true, force: true }));

  const events = (...steps: number[]) => steps.map((step) => ({ step, time: 1000 + step, values: { loss: step / 4 } }));

  it("begin as TensorFlow's own do", () => {
    // The first bytes of every file that TensorFlow writes: length 24 and its masked checksum.
    const record = encodeRecord(encodeEvent({ time: 1.5, version: "brain.Event:2" }));
    expect([...record.subarray(0, 12)]).toEqual([0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
  });

  it("hold what was written", async () => {
    await appendEvents(run, events(1, 2));
    await appendEvents(run, [{ step: 2 ** 40, time: 5, values: { "a/b": -1, é: 2.5 } }]);
    await appendEvents(run, []);
    const [first, ...rest] = decode(await readFile(eventFile(run)));
    expect(first).toEqual({ wallTime: 1001, fileVersion: "brain.Event:2" });
    expect(rest.map(({ step }) => step)).toEqual([1, 2, 2 ** 40]);
    expect(rest[0]?.summary?.value).toEqual([{ tag: "loss", simpleValue: 0.25 }]);
    expect(rest[2]?.summary?.value).toEqual([
      { tag: "a/b", simpleValue: -1 },
      { tag: "é", simpleValue: 2.5 },
    ]);
  });

  it("lose later steps and a torn end when a run goes on", async () => {
    await appendEvents(run, events(1, 2, 3, 4));
    await rewindEvents(run, 2);
    await appendEvents(run, events(3));
    expect(decode(await readFile(eventFile(run))).map(({ step }) => step ?? 0)).toEqual([0, 1, 2, 3]);
    const whole = await readFile(eventFile(run));
    for (let cut = 1; cut < 30; cut++) {
      await truncate(eventFile(run), whole.length - cut);
      await rewindEvents(run, 3);
      expect(decode(await readFile(eventFile(run))).map(({ step }) => step ?? 0)).toEqual([0, 1, 2]);
      await appendEvents(run, events(3));
    }
    await appendFile(eventFile(run), Buffer.alloc(100, 0xee));
    await rewindEvents(run, 3);
    expect(await readFile(eventFile(run))).toEqual(whole);
    await rewindEvents(join(run, "nowhere"), 3);
  });
});
