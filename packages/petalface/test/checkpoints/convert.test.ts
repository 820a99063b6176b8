import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { entryOf, itemAt } from "onnx-grad";
import { describe, expect, it, test } from "vitest";
import {
  type CheckpointTensor,
  openCheckpoint,
  readTensor,
  writeFloat32,
  writeTorchCheckpoint,
} from "../../src/checkpoints/index.ts";
import { encodeSafetensors, readSafetensors, type StoredTensor, toFloat32 } from "../../src/tensors/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { dict, floats, pickle, tensor, torchLegacy, torchZip, zip } from "./craft.ts";

const folder = temporaryFolder();

async function open(content: Uint8Array, name: string) {
  const path = join(folder, name);
  writeFileSync(path, content);
  const checkpoint = await openCheckpoint(path);
  return { path, checkpoint, tensors: checkpoint.groups[0].tensors };
}

const stored: fc.Arbitrary<StoredTensor> = fc
  .tuple(
    fc.constantFrom("F64", "F32", "F16", "BF16", "I64", "I32", "I8", "U8" as const),
    fc.array(fc.nat(4), { maxLength: 4 }),
    fc.infiniteStream(fc.integer({ min: -100, max: 100 })),
  )
  .map(([dtype, shape, numbers]) => {
    const count = shape.reduce((product, side) => product * side, 1);
    const values = Array.from({ length: count }, () => numbers.next().value as number);
    const make = {
      F64: () => Float64Array.from(values),
      F32: () => Float32Array.from(values),
      F16: () => Uint16Array.from(values, (value) => value & 0xffff),
      BF16: () => Uint16Array.from(values, (value) => value & 0xffff),
      I64: () => BigInt64Array.from(values, BigInt),
      I32: () => Int32Array.from(values),
      I8: () => Int8Array.from(values),
      U8: () => Uint8Array.from(values),
    } as const;
    return { dtype, shape, data: make[dtype]() };
  });

describe("writing as PyTorch does", () => {
  it("comes back as it was", async () => {
    const list = fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), stored), {
      selector: ([name]) => name,
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(list, async (tensors) => {
        const path = join(folder, "round.pt");
        await writeTorchCheckpoint(path, tensors);
        const checkpoint = await openCheckpoint(path);
        const read = checkpoint.groups[0]?.tensors ?? new Map<string, CheckpointTensor>();
        expect([...read.keys()]).toEqual(tensors.map(([name]) => name));
        for (const [name, expected] of tensors) {
          const found = entryOf(read, name);
          expect(found.shape).toEqual(expected.shape);
          expect(found.storage.offset % 64).toBe(0);
          expect(await readTensor(checkpoint, found)).toEqual(toFloat32(expected));
        }
      }),
      { numRuns: 40 },
    );
  });

  it("refuses numbers that do not fill the shape, and names given twice", async () => {
    const wrong = { dtype: "F32", shape: [3], data: new Float32Array(2) } as const;
    await expect(writeTorchCheckpoint(join(folder, "no.pt"), [["a", wrong]])).rejects.toThrow(RangeError);
    const right = { ...wrong, shape: [2] };
    await expect(
      writeTorchCheckpoint(join(folder, "no.pt"), [
        ["a", right],
        ["a", right],
      ]),
    ).rejects.toThrow(/same name/);
    expect(existsSync(join(folder, "no.pt"))).toBe(false);
  });
});

describe("converting", () => {
  const numbers = Float32Array.from({ length: 120 }, (_, at) => at / 3);
  const record = floats(...numbers);

  test.each<[string, (value: Uint8Array) => Uint8Array]>([
    ["stored", (value) => torchZip(value, { 0: record })],
    [
      "deflated",
      (value) => {
        const inner = torchZip(value, {});
        const start = inner.indexOf("\x80\x02", 0, "latin1");
        const end = inner.indexOf("PK\x03\x04", start, "latin1");
        return zip([
          { name: "a/data.pkl", data: inner.subarray(start, end), deflate: true },
          { name: "a/data/0", data: record, deflate: true },
        ]);
      },
    ],
    ["before 1.6", (value) => torchLegacy(value, [["0", 120, record]])],
  ])("puts views in order as their strides say: %s", async (name, encode) => {
    const view = fc
      .array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(9)), { maxLength: 4 })
      .chain((sides) => {
        const reach = sides.reduce((sum, [side, stride]) => sum + (side - 1) * stride, 0);
        return fc.record({ sides: fc.constant(sides), offset: fc.nat(Math.max(0, 119 - reach)) });
      })
      .filter(
        ({ sides, offset }) => offset + sides.reduce((sum, [side, stride]) => sum + (side - 1) * stride, 0) < 120,
      );
    await fc.assert(
      fc.asyncProperty(view, async ({ sides, offset }) => {
        const [shape, strides] = [sides.map(([side]) => side), sides.map(([, stride]) => stride)];
        const { checkpoint, tensors } = await open(
          encode(dict({ w: tensor({ count: 120, offset, shape, strides }) })),
          `view-${name.replaceAll(/\W/g, "")}.pt`,
        );
        const expected: number[] = [];
        const walk = (side: number, at: number): void => {
          if (side === shape.length) expected.push(itemAt(numbers, at));
          else
            for (let index = 0; index < itemAt(shape, side); index++)
              walk(side + 1, at + index * itemAt(strides, side));
        };
        walk(0, offset);
        for (const item of tensors.values()) expect([...(await readTensor(checkpoint, item))]).toEqual(expected);
        expect(tensors.size).toBe(1);
      }),
      { numRuns: 60 },
    );
  });

  it("reads large views in blocks: a transposed tensor of 36 MB", async () => {
    const [rows, columns] = [2000, 4500];
    const data = Float32Array.from({ length: rows * columns }, (_, at) => at % 65_521);
    const value = dict({ w: tensor({ count: data.length, shape: [columns, rows], strides: [1, columns] }) });
    const { checkpoint, tensors } = await open(torchZip(value, { 0: new Uint8Array(data.buffer) }), "large.pt");
    const out = join(folder, "large.safetensors");
    const { tensors: places } = await writeFloat32(out, checkpoint, tensors);
    const written = (await readSafetensors(out)).tensors.get("w");
    let wrong = 0;
    for (let row = 0; row < columns; row++)
      for (let column = 0; column < rows; column++)
        if (written?.data[row * rows + column] !== data[column * columns + row]) wrong++;
    expect(wrong).toBe(0);
    const place = places.get("w");
    expect(place?.length).toBe(data.byteLength);
    expect(readFileSync(out).readFloatLE((place?.offset ?? 0) + 4)).toBe(data[columns]);
  });

  it("unpacks a deflated piece of 9 MB from the middle of a record", async () => {
    const [all, offset, count] = [3_000_000, 100_001, 2_300_000];
    const data = Float32Array.from({ length: all }, (_, at) => at % 4099);
    const value = dict({ w: tensor({ count: all, offset, shape: [count], strides: [1] }) });
    const program = pickle(value);
    const content = zip([
      { name: "a/data.pkl", data: program },
      { name: "a/data/0", data: new Uint8Array(data.buffer), deflate: true },
    ]);
    const { checkpoint, tensors } = await open(content, "piece.pt");
    const [piece] = tensors.values();
    if (piece === undefined) throw new Error("missing");
    expect(await readTensor(checkpoint, piece)).toEqual(data.slice(offset, offset + count));
    // Damage inside the deflated bytes.
    content[content.length >> 1] = itemAt(content, content.length >> 1) ^ 1;
    const damaged = await open(content, "damaged.pt");
    const [broken] = damaged.tensors.values();
    if (broken === undefined) throw new Error("missing");
    await expect(readTensor(damaged.checkpoint, broken)).rejects.toThrow(/CRC-32|unpack/);
  });

  it("writes shared and renamed tensors, from a multiple of 64 bytes on, the same each time", async () => {
    const value = dict({ a: tensor(), b: tensor({ strides: [1, 2] }), __proto__x: tensor() });
    const { checkpoint, tensors } = await open(torchZip(value), "shared.pt");
    const [one, other] = [join(folder, "one.safetensors"), join(folder, "other.safetensors")];
    const list = [...tensors].map(([name, item]) => [name === "__proto__x" ? "__proto__" : name, item] as const);
    const { tensors: places, bytes } = await writeFloat32(one, checkpoint, list, { metadata: { from: "test" } });
    await writeFloat32(other, checkpoint, list, { metadata: { from: "test" } });
    expect(readFileSync(one)).toEqual(readFileSync(other));
    expect(readFileSync(one).length).toBe(bytes);
    expect((places.get("a")?.offset ?? 1) % 64).toBe(0);
    const { tensors: read, metadata } = await readSafetensors(one);
    expect(metadata).toEqual(new Map([["from", "test"]]));
    expect(read.get("a")?.data).toEqual(Float32Array.of(1, 2, 3, 4));
    expect(read.get("b")?.data).toEqual(Float32Array.of(1, 3, 2, 4));
    expect(read.get("__proto__")?.data).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it("leaves the old file as it was where it fails", async () => {
    const out = join(folder, "kept.safetensors");
    writeFileSync(out, "old");
    const { checkpoint, tensors } = await open(
      torchZip(dict({ w: tensor() }), { 0: floats(1, Number.NaN, 3, 4) }),
      "nan.pt",
    );
    await expect(writeFloat32(out, checkpoint, tensors)).rejects.toThrow(/1 tensors hold infinities.*"w"/);
    expect(readFileSync(out, "utf8")).toBe("old");
    expect(readdirSync(folder).filter((name) => name.startsWith("kept."))).toEqual(["kept.safetensors"]);
  });

  it("refuses a file that changed since it was listed", async () => {
    const { path, checkpoint, tensors } = await open(torchZip(dict({ w: tensor() })), "changed.pt");
    utimesSync(path, 1, 1);
    await expect(writeFloat32(join(folder, "c.safetensors"), checkpoint, tensors)).rejects.toThrow(/has changed/);
  });

  it("refuses many views that grow without measure", async () => {
    const value = dict(
      Object.fromEntries(
        Array.from({ length: 40 }, (_, at) => [`w${at}`, tensor({ shape: [100_000, 10], strides: [0, 0] })]),
      ),
    );
    const { checkpoint, tensors } = await open(torchZip(value), "grow.pt");
    await expect(writeFloat32(join(folder, "grow.safetensors"), checkpoint, tensors)).rejects.toThrow(/not weights/);
  });

  it("reads the other element types of safetensors", async () => {
    const list: [string, StoredTensor][] = [
      ["half", { dtype: "F16", shape: [3], data: Uint16Array.of(0x3c00, 0x0001, 0xfc00) }],
      ["wide", { dtype: "I64", shape: [1], data: BigInt64Array.of(-3n) }],
    ];
    const { checkpoint, tensors } = await open(encodeSafetensors(list), "types.safetensors");
    const [half, wide] = [tensors.get("half"), tensors.get("wide")];
    if (half === undefined || wide === undefined) throw new Error("missing");
    expect([...(await readTensor(checkpoint, half))]).toEqual([1, 2 ** -24, Number.NEGATIVE_INFINITY]);
    expect([...(await readTensor(checkpoint, wide))]).toEqual([-3]);
  });
});
