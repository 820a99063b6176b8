import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PetalfaceError } from "../../src/errors.ts";
import {
  encodeSafetensors,
  parseSafetensors,
  readSafetensors,
  type StoredTensor,
  toFloat32,
} from "../../src/tensors/index.ts";
import { shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const oracle = shared("oracle", "nets", "vit_iqa", "model.safetensors");

/** A file with any header and any data. */
function craft(header: unknown, data: Uint8Array = new Uint8Array(), length?: bigint): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const makers = {
  F64: (count: number) => new Float64Array(count).map(() => Math.PI),
  F32: (count: number) => new Float32Array(count).map((_, at) => at / 3),
  F16: (count: number) => new Uint16Array(count).map((_, at) => at * 77),
  BF16: (count: number) => new Uint16Array(count).map((_, at) => at * 99),
  I64: (count: number) => new BigInt64Array(count).map((_, at) => -(2n ** 40n) * BigInt(at)),
  I32: (count: number) => new Int32Array(count).map((_, at) => -at * 100_000),
  I8: (count: number) => new Int8Array(count).map((_, at) => -at),
  U8: (count: number) => new Uint8Array(count).map((_, at) => at),
} as const;

const tensor: fc.Arbitrary<StoredTensor> = fc
  .tuple(fc.constantFrom("F64", "F32", "F16", "BF16", "I64", "I32", "I8", "U8"), fc.array(fc.nat(5), { maxLength: 4 }))
  .map(([dtype, shape]) => ({ dtype, shape, data: makers[dtype](shape.reduce((a, b) => a * b, 1)) }));
const tensors = fc.uniqueArray(fc.tuple(fc.string({ unit: "binary" }), tensor), { selector: ([name]) => name });

describe("safetensors", () => {
  it("come back as they were written, whatever their order", () => {
    fc.assert(
      fc.property(tensors, fc.dictionary(fc.string(), fc.string()), (list, words) => {
        fc.pre(!list.some(([name]) => name === "__metadata__"));
        const bytes = encodeSafetensors(list, words);
        const { tensors: read, metadata } = parseSafetensors(bytes);
        expect(new Map([...read].sort())).toEqual(new Map([...list].sort()));
        expect(metadata).toEqual(new Map(Object.entries(words)));
        expect(encodeSafetensors(list.toReversed(), words)).toEqual(bytes);
      }),
    );
  });

  it("are read from bytes at an odd place", () => {
    const bytes = encodeSafetensors([["a", { dtype: "F32", shape: [3], data: Float32Array.of(1, 2, 3) }]]);
    const moved = new Uint8Array(bytes.length + 1);
    moved.set(bytes, 1);
    expect(parseSafetensors(moved.subarray(1)).tensors.get("a")?.data).toEqual(Float32Array.of(1, 2, 3));
  });

  it("share memory with the file where they can", () => {
    const bytes = encodeSafetensors([["a", { dtype: "F32", shape: [1], data: Float32Array.of(1) }]]);
    expect(parseSafetensors(bytes).tensors.get("a")?.data.buffer).toBe(bytes.buffer);
  });

  it("are not written where data and shape differ", () => {
    const data = new Float32Array(3);
    expect(() => encodeSafetensors([["a", { dtype: "F32", shape: [2], data }]])).toThrow('tensor "a"');
    expect(() => encodeSafetensors([["a", { dtype: "I32", shape: [3], data }]])).toThrow('tensor "a"');
    expect(() => encodeSafetensors([["__metadata__", { dtype: "F32", shape: [3], data }]])).toThrow("__metadata__");
  });

  it.skipIf(!oracle.exists)("are read as Hugging Face's library wrote them (needs the shared oracle)", async () => {
    const { tensors: read } = await readSafetensors(oracle.path);
    expect(read.size).toBeGreaterThan(50);
    for (const { dtype, shape, data } of read.values()) {
      expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
      if (dtype === "F32") expect(toFloat32({ dtype, shape, data }).every(Number.isFinite)).toBe(true);
    }
  });
});

describe("a hostile or broken file", () => {
  const f32 = (shape: unknown, begin: unknown, end: unknown) => ({ dtype: "F32", shape, data_offsets: [begin, end] });
  const eight = new Uint8Array(8);
  it.each<[string, Uint8Array<ArrayBuffer>, RegExp]>([
    ["empty", new Uint8Array(), /too few/],
    ["seven bytes", new Uint8Array(7), /too few/],
    ["no header", new Uint8Array(8), /not JSON/],
    ["a header beyond the file", craft("{}", eight, 11n), /more than the file has/],
    ["a gigantic header", craft("{}", eight, 2n ** 63n), /claims 9223372036854775808 bytes/],
    ["a header of bad UTF-8", Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), /not JSON/],
    ["a header cut off", craft('{"a":'), /not JSON/],
    ["a header that nests for ever", craft("[".repeat(200_000)), /not JSON/],
    ["a header that is a list", craft([]), /not a JSON object/],
    ["an entry that is no object", craft({ a: 1 }), /"a" is not an object/],
    ["an unknown type", craft({ a: { dtype: "F8", shape: [8], data_offsets: [0, 8] } }, eight), /unknown type "F8"/],
    [
      "a type from the prototype",
      craft({ a: { dtype: "toString", shape: [8], data_offsets: [0, 8] } }, eight),
      /unknown/,
    ],
    ["no shape", craft({ a: f32(undefined, 0, 8) }, eight), /no valid shape/],
    ["a negative side", craft({ a: f32([-2, -1], 0, 8) }, eight), /no valid shape/],
    ["half a side", craft({ a: f32([0.5, 4], 0, 8) }, eight), /no valid shape/],
    ["a side as text", craft({ a: f32(["2"], 0, 8) }, eight), /no valid shape/],
    ["a product that overflows", craft({ a: f32([2 ** 52, 2 ** 52, 2 ** 52], 0, 8) }, eight), /needs/],
    ["zero times infinity", craft({ a: f32([...Array(30).fill(2 ** 52), 0], 0, 0) }), /needs NaN/],
    ["a wrong size", craft({ a: f32([3], 0, 8) }, eight), /needs 12 bytes and has 8/],
    ["offsets turned round", craft({ a: f32([2], 8, 0) }, eight), /needs 8 bytes and has -8/],
    ["three offsets", craft({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8, 8] } }, eight), /no valid offsets/],
    ["a negative offset", craft({ a: f32([2], -8, 0) }, eight), /no valid offsets/],
    ["data beyond the file", craft({ a: f32([4], 0, 16) }, eight), /take 16 bytes and the file holds 8/],
    ["data left over", craft({ a: f32([1], 0, 4) }, eight), /take 4 bytes and the file holds 8/],
    ["overlapping tensors", craft({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, eight), /"b" starts at byte 4/],
    ["a gap", craft({ a: f32([1], 4, 8) }, eight), /"a" starts at byte 4/],
    ["metadata that is no text", craft({ __metadata__: { a: 1 } }), /metadata "a" is not text/],
  ])("is refused: %s", (_name, bytes, message) => {
    expect(() => parseSafetensors(bytes, "bad.safetensors")).toThrow(PetalfaceError);
    expect(() => parseSafetensors(bytes, "bad.safetensors")).toThrow(message);
    expect(() => parseSafetensors(bytes, "bad.safetensors")).toThrow(/^bad\.safetensors is not a valid/);
  });

  it("cannot reach the prototype by a tensor's name", () => {
    const bytes = craft('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', Uint8Array.of(7));
    expect(parseSafetensors(bytes).tensors.get("__proto__")?.data).toEqual(Uint8Array.of(7));
    expect(Object.hasOwn(Object.prototype, "dtype")).toBe(false);
  });

  it("survives any change of one byte", () => {
    const good = encodeSafetensors([["weight", { dtype: "F32", shape: [2, 2], data: new Float32Array(4) }]], {
      a: "b",
    });
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const bytes = good.slice();
        bytes[at] = value;
        try {
          const size = [...parseSafetensors(bytes).tensors.values()].reduce(
            (sum, { data }) => sum + data.byteLength,
            0,
          );
          expect(size).toBe(16);
        } catch (error) {
          expect(error).toBeInstanceOf(PetalfaceError);
        }
      }),
    );
  });

  it("is named: missing, a folder, cut off", async () => {
    const path = join(folder, "model.safetensors");
    await expect(readSafetensors(path)).rejects.toThrow(`cannot read ${path}`);
    mkdirSync(join(folder, "folder"));
    await expect(readSafetensors(join(folder, "folder"))).rejects.toBeInstanceOf(PetalfaceError);
    writeFileSync(path, encodeSafetensors([["a", { dtype: "U8", shape: [9], data: new Uint8Array(9) }]]).slice(0, -1));
    await expect(readSafetensors(path)).rejects.toThrow(`${path} is not a valid safetensors file`);
  });
});

describe("toFloat32", () => {
  it("reads every half-precision number", () => {
    const bits = Uint16Array.from({ length: 0x10000 }, (_, at) => at);
    const values = toFloat32({ dtype: "F16", shape: [bits.length], data: bits });
    bits.forEach((half, at) => {
      const sign = half & 0x8000 ? -1 : 1;
      const exponent = (half >> 10) & 31;
      const fraction = half & 1023;
      let expected = sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
      if (exponent === 0) expected = sign * 2 ** -14 * (fraction / 1024);
      if (exponent === 31) expected = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
      if (!Object.is(values[at], expected)) throw new Error(`bits ${half}: ${values[at]} is not ${expected}`);
    });
  });

  it("reads the other types", () => {
    const bfloat = Uint16Array.of(0x3f80, 0xc000, 0x7f80);
    expect([...toFloat32({ dtype: "BF16", shape: [3], data: bfloat })]).toEqual([1, -2, Number.POSITIVE_INFINITY]);
    expect([...toFloat32({ dtype: "I64", shape: [1], data: BigInt64Array.of(-5n) })]).toEqual([-5]);
    expect([...toFloat32({ dtype: "I8", shape: [1], data: Int8Array.of(-128) })]).toEqual([-128]);
    const single = Float32Array.of(0.5);
    expect(toFloat32({ dtype: "F32", shape: [1], data: single })).toBe(single);
  });
});
