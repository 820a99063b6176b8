import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { openCheckpoint, readTensor } from "../../src/checkpoints/index.ts";
import { PetalfaceError } from "../../src/errors.ts";
import { encodeSafetensors } from "../../src/tensors/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { bytes, dict, floats, int, pickle, tensor, text, torchLegacy, torchZip, tuple, zip } from "./craft.ts";

const folder = temporaryFolder();

async function open(content: Uint8Array, name = "x.pt") {
  const path = join(folder, name);
  writeFileSync(path, content);
  return await openCheckpoint(path);
}

/** Opens and reads everything. */
async function readAll(content: Uint8Array, name?: string): Promise<number[][]> {
  const checkpoint = await open(content, name);
  const values: number[][] = [];
  for (const { tensors } of checkpoint.groups)
    for (const item of tensors.values()) values.push([...(await readTensor(checkpoint, item))]);
  return values;
}

const w = dict({ w: tensor() });
const data = { name: "archive/data/0", data: floats(1, 2, 3, 4) };
const object = { name: "archive/data.pkl", data: pickle(w) };

describe("files as they should be are read", () => {
  test.each<[string, Uint8Array]>([
    ["zip", torchZip(w)],
    [
      "zip with 64-bit sizes",
      zip([
        { ...object, wide: true },
        { ...data, wide: true },
      ]),
    ],
    [
      "zip, deflated",
      zip([
        { ...object, deflate: true },
        { ...data, deflate: true },
      ]),
    ],
    ["before 1.6", torchLegacy(w)],
    [
      "before 1.6, a view of a storage",
      torchLegacy(dict({ w: tensor({ count: 5, view: tuple(text("v"), int(1), int(4)).toString("latin1") }) }), [
        ["0", 5, floats(0, 1, 2, 3, 4)],
      ]),
    ],
    [
      "a type of PyTorch 2.3",
      torchZip(
        dict({
          w: bytes(
            "ctorch._utils\n_rebuild_tensor_v3\n",
            tuple(
              tuple(text("storage"), "ctorch.storage\nUntypedStorage\n", text("0"), text("cpu"), int(16), ""),
              "Q",
              int(0),
              tuple(int(4)),
              tuple(int(1)),
              "\x89",
              "}",
              "ctorch\nfloat32\n",
            ),
            "R",
          ),
        }),
      ),
    ],
  ])("%s", async (_, content) => {
    expect(await readAll(content)).toEqual([[1, 2, 3, 4]]);
  });

  it("reads big-endian machines' files", async () => {
    const swapped = Buffer.from(floats(1, 2, 3, 4)).swap32();
    const big = zip([object, { name: "archive/byteorder", data: Buffer.from("big") }, { ...data, data: swapped }]);
    expect(await readAll(big)).toEqual([[1, 2, 3, 4]]);
  });

  it("keeps names and options of training as plain text", async () => {
    const checkpoint = await open(torchZip(dict({ state_dict: w, epoch: int(3), optimiser: "ctorch.optim\nAdamW\n" })));
    expect(checkpoint.groups.map(({ path }) => path)).toEqual(["state_dict"]);
    expect({ ...checkpoint.metadata }).toEqual({ epoch: 3, optimiser: "<torch.optim.AdamW>" });
  });
});

describe("zip tricks are refused", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["two entries of one name", zip([object, data, { ...data, data: floats(5, 6, 7, 8) }]), /two entries are named/],
    ["two pickles", zip([object, data, { ...object, name: "other/data.pkl" }]), /2 data\.pkl/],
    [
      "an entry over another one",
      zip([{ name: "archive/hold", data: zip([data]) }, object, { ...data, at: 42 }]),
      /lies over another/,
    ],
    ["a place outside of the file", zip([object, { ...data, at: 2 ** 53, wide: true }]), /outside of itself/],
    [
      "one entry twice by two names",
      zip([object, data, { name: "archive/data/1", data: floats(1, 2, 3, 4), localName: "archive/data/0", at: 0 }]),
      /described in two ways/,
    ],
    [
      "another name before the data",
      zip([{ ...object, localName: "archive/data.pkx" }, data]),
      /described in two ways/,
    ],
    [
      "a path out of the archive",
      zip([object, data, { name: "../../etc/passwd", data: floats(1) }]),
      /invalid relative path/,
    ],
    ["an absolute path", zip([object, data, { name: "/etc/passwd", data: floats(1) }]), /absolute path/],
    ["a wrong CRC of the pickle", zip([{ ...object, lie: { crc32: 1 } }, data]), /CRC-32/],
    [
      "an entry beyond the end",
      zip([object, { ...data, lie: { length: 2 ** 30, stored: 2 ** 30 } }]),
      /overflows file bounds/,
    ],
    ["an encrypted entry", zip([object, { ...data, deflate: true, lie: { flags: 0x801 } }]), /encrypted/],
    ["an unknown compression", zip([object, { ...data, lie: { method: 12 } }]), /method 12/],
    ["a bomb", zip([object, { name: "archive/data/0", data: new Uint8Array(2 ** 28), deflate: true }]), /claim 268435/],
    [
      "a pickle of other length than claimed",
      zip([{ ...object, deflate: true, lie: { length: 50 } }, data]),
      /does not unpack/,
    ],
    ["a storage of other length", zip([object, { ...data, data: floats(1, 2, 3, 4, 5) }]), /20 bytes and announces 16/],
    ["no pickle", zip([data]), /without data\.pkl/],
    ["a TorchScript program", zip([object, data, { name: "archive/constants.pkl", data: pickle("N") }]), /TorchScript/],
    ["bytes after the pickle", zip([{ ...object, data: bytes(object.data, "N.") }, data]), /follow the end/],
    [
      "an unknown byte order",
      zip([object, data, { name: "archive/byteorder", data: Buffer.from("middle") }]),
      /byte order/,
    ],
  ])("%s", async (_, content, message) => {
    const result = readAll(content);
    await expect(result).rejects.toThrow(PetalfaceError);
    await expect(result).rejects.toThrow(message);
  });

  test.each([false, true])("numbers that were changed, deflated: %s", async (deflate) => {
    const content = zip([object, { ...data, deflate, lie: { crc32: 1 } }]);
    await expect(readAll(content)).rejects.toThrow(/CRC-32/);
  });

  it("numbers that unpack to more than they claim", async () => {
    const content = zip([
      object,
      { name: data.name, data: floats(1, 2, 3, 4, 5, 6, 7, 8), deflate: true, lie: { length: 16 } },
    ]);
    await expect(readAll(content)).rejects.toThrow(/does not unpack to the 16 bytes/);
  });
});

describe("tensors that are not there are refused", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["outside of the storage", tensor({ offset: 1 }), /reaches element 4 of 4/],
    ["by strides outside of the storage", tensor({ strides: [4, 1] }), /reaches element 5 of 4/],
    ["a negative stride", tensor({ strides: [-2, 1] }), /malformed/],
    ["a shape without strides", tensor({ strides: [1] }), /malformed/],
    ["too many sides", tensor({ shape: Array(65).fill(1), strides: Array(65).fill(1) }), /malformed/],
    [
      "more elements than can be",
      tensor({ shape: Array(9).fill(2 ** 30), strides: Array(9).fill(0) }),
      /more elements than can be/,
    ],
    ["without end, by repetition", tensor({ shape: [2 ** 30, 4], strides: [0, 1] }), /not a weight/],
    ["an unknown type", tensor({ type: "ComplexFloatStorage" }), /unknown type "torch\.ComplexFloatStorage"/],
    ["a missing storage", tensor({ key: "7" }), /storage 7 is missing/],
    ["a key that leads elsewhere", tensor({ key: "../data.pkl" }), /malformed key/],
    ["no storage", bytes("ctorch._utils\n_rebuild_tensor_v2\n", tuple("N", int(0), ")", ")"), "R"), /no storage/],
    [
      "a parameter of something else",
      bytes("ctorch._utils\n_rebuild_parameter\n", tuple("N", "\x88", "}"), "R"),
      /something other than a tensor/,
    ],
  ])("%s", async (_, value, message) => {
    await expect(readAll(torchZip(dict({ w: value })))).rejects.toThrow(message);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["fewer elements than announced", torchLegacy(w, [["0", 3, floats(1, 2, 3)]]), /3 elements/],
    ["negative elements", torchLegacy(w, [["0", -1, floats(1, 2, 3, 4)]]), /-1 elements/],
    ["a cut end", torchLegacy(w).subarray(0, -1), /inside storage 0/],
    [
      "a storage listed twice",
      torchLegacy(w, [
        ["0", 4, floats(1, 2, 3, 4)],
        ["0", 4, floats(1, 2, 3, 4)],
      ]),
      /listed twice/,
    ],
    ["a storage that is not listed", torchLegacy(w, []), /missing/],
    ["a plain pickle", pickle(w.subarray(0, 0), "N"), /not a checkpoint that torch\.save wrote/],
  ])("before 1.6: %s", async (_, content, message) => {
    await expect(readAll(content)).rejects.toThrow(message);
  });
});

describe("what holds itself or nests without end is refused", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["a list in itself", bytes("]q\x01h\x01a"), /holds itself/],
    ["200,000 levels", bytes(Buffer.alloc(200_000, "]"), Buffer.alloc(199_999, "a")), /deeper than 64/],
    [
      "lists of lists, 10 to the 12th",
      bytes(
        "]q\x00K\x01a",
        ...Array.from({ length: 12 }, (_, at) =>
          bytes(`](${`h${String.fromCharCode(at)}`.repeat(10)}eq${String.fromCharCode(at + 1)}`),
        ),
        ...Array.from({ length: 12 }, () => "\x86"),
      ),
      /more values than any checkpoint/,
    ],
  ])("%s", async (_, value, message) => {
    await expect(open(torchZip(value))).rejects.toThrow(message);
  });
});

describe("other files are named", () => {
  const tar = Buffer.alloc(1024);
  tar.write("ustar", 257);
  test.each<[string, Uint8Array, RegExp]>([
    ["nothing", bytes(), /empty/],
    ["a page", bytes("  <!DOCTYPE html><html>"), /web page/],
    ["a pointer of Git LFS", bytes("version https://git-lfs.github.com/spec/v1\n"), /git lfs pull/],
    ["a tar", tar, /tar file/],
    ["noise", Buffer.alloc(3000, 0x5a), /another format/],
    ["one byte", bytes("P"), /another format/],
    ["the start of a zip", bytes("PK\x03\x04"), /zip directory is bad/],
  ])("%s", async (_, content, message) => {
    await expect(open(content)).rejects.toThrow(message);
  });

  it("a missing file and a folder without weights", async () => {
    await expect(openCheckpoint(join(folder, "nowhere.pt"))).rejects.toThrow(/there is no/);
    await expect(openCheckpoint(folder)).rejects.toThrow(/model\.safetensors/);
  });
});

describe("damage is an error or goes into numbers, and never anything else", () => {
  const safetensors = encodeSafetensors([["w", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]]);
  const nested = dict({
    epoch: int(1),
    state_dict: dict({ a: tensor(), b: tensor({ strides: [1, 2] }) }),
    list: bytes("](K\x01K\x02e"),
  });
  test.each<[string, Uint8Array]>([
    ["x.pt", torchZip(nested)],
    [
      "deflated.pt",
      zip([
        { name: "a/data.pkl", data: pickle(nested), deflate: true },
        { name: "a/data/0", data: floats(1, 2, 3, 4), deflate: true },
      ]),
    ],
    ["old.pt", torchLegacy(nested)],
    ["x.safetensors", safetensors],
  ])("%s", async (name, content) => {
    expect((await readAll(content, name)).length).toBeGreaterThan(0);
    const survives = async (changed: Uint8Array): Promise<void> => {
      try {
        for (const values of await readAll(changed, name)) expect(values.length).toBeLessThan(2 ** 23);
      } catch (error) {
        expect(error, String(error)).toBeInstanceOf(PetalfaceError);
      }
    };
    const place = fc.nat(content.length - 1);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 4 }), async (changes) => {
        const changed = Uint8Array.from(content);
        for (const [at, value] of changes) changed[at] = value;
        await survives(changed);
      }),
      { numRuns: 300 },
    );
    await fc.assert(
      fc.asyncProperty(place, (length) => survives(content.subarray(0, length))),
      { numRuns: 60 },
    );
  });

  it("the pickle alone, with a right CRC", async () => {
    const program = pickle(nested);
    const changes = fc.array(fc.tuple(fc.nat(program.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        const changed = Uint8Array.from(program);
        for (const [at, value] of list) changed[at] = value;
        try {
          await readAll(
            zip([
              { name: "a/data.pkl", data: changed },
              { name: "a/data/0", data: floats(1, 2, 3, 4) },
            ]),
          );
        } catch (error) {
          expect(error, String(error)).toBeInstanceOf(PetalfaceError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
