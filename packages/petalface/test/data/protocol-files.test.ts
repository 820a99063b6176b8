import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readIjbMeta, readTinyFaceList } from "../../src/data/index.ts";
import { PetalfaceError } from "../../src/errors.ts";
import { shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";

const base = temporaryFolder();
const tinyface = shared("oracle", "formats", "tinyface");
const ijb = shared("oracle", "formats", "ijb");

interface Lists {
  readonly gallery_set: readonly string[];
  readonly gallery_ids: readonly number[];
  readonly probe_set: readonly string[];
  readonly probe_ids: readonly number[];
}

describe.skipIf(!tinyface.exists)("TinyFace's lists (needs PETALFACE_SHARED)", () => {
  const testing = join(tinyface.path, "tinyface", "Testing_Set");
  const expected = tinyface.exists
    ? (JSON.parse(readFileSync(join(tinyface.path, "expected.json"), "utf8")) as Lists)
    : undefined;

  it.each([
    [join(testing, "gallery_match_img_ID_pairs.mat"), expected?.gallery_set, expected?.gallery_ids],
    [join(testing, "probe_img_ID_pairs.mat"), expected?.probe_set, expected?.probe_ids],
    [join(tinyface.path, "extra_mat", "uint16_ids.mat"), expected?.probe_set, expected?.probe_ids],
  ])("reads %s", async (path, names, ids) => {
    const list = await readTinyFaceList(path);
    expect(list.map(({ name }) => name)).toEqual(names);
    expect(list.map(({ person }) => person)).toEqual(ids);
  });

  it("survives any change of one byte", async () => {
    for (const file of ["gallery_match_img_ID_pairs.mat", "probe_img_ID_pairs.mat"]) {
      const bytes = readFileSync(join(testing, file));
      await fc.assert(
        fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), async (at, value) => {
          const changed = Buffer.from(bytes);
          changed[at] = value;
          const path = join(base, "changed.mat");
          writeFileSync(path, changed);
          const result = await readTinyFaceList(path).catch((error: unknown) => error);
          if (result instanceof Error) expect(result).toBeInstanceOf(PetalfaceError);
        }),
        { numRuns: 150 },
      );
    }
  });
});

describe("MATLAB files that are none", () => {
  const header = Buffer.alloc(128);
  header.write("MATLAB 5.0");
  header.writeUInt16LE(0x4d49, 126);
  /** A compressed element that unpacks to this. */
  const packed = (content: Uint8Array): Buffer => {
    const bytes = deflateSync(content);
    const tag = Buffer.alloc(8);
    tag.writeUInt32LE(15, 0);
    tag.writeUInt32LE(bytes.length, 4);
    return Buffer.concat([header, tag, bytes]);
  };

  /** One element: its type, its length and its content. */
  const element = (type: number, content: Uint8Array): Buffer => {
    const tag = Buffer.alloc(8);
    tag.writeUInt32LE(type, 0);
    tag.writeUInt32LE(content.length, 4);
    return Buffer.concat([tag, content]);
  };
  const doubles = (...values: readonly number[]): Buffer => Buffer.from(new Float64Array(values).buffer);
  /** An array of characters whose sides and letters are stored as float64, as no writer does. */
  const floatText = (side: number, letter: number): Buffer => {
    const flags = element(6, Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]));
    const parts = [
      flags,
      element(9, doubles(1, side)),
      element(1, Buffer.from("petal123")),
      element(9, doubles(letter)),
    ];
    return Buffer.concat([header, element(14, Buffer.concat(parts))]);
  };

  it.each([
    ["nothing", Buffer.alloc(0), "not a little-endian MATLAB file"],
    ["text", Buffer.alloc(300, "x"), "not a little-endian MATLAB file"],
    ["version 7.3", Buffer.concat([Buffer.from("\x89HDF\r\n\x1a\n", "latin1"), header]), "version 7.3"],
    ["no variables", header, "0 names"],
    ["a letter that is a fraction", floatText(1, 3.248), "0 names"],
    ["a letter that is no number", floatText(1, Number.NaN), "0 names"],
    ["a side that is a fraction", floatText(1.5, 65), "an array has 1.5 elements"],
    ["a side that is no number", floatText(Number.NaN, 65), "an array has NaN elements"],
    ["a bomb", packed(Buffer.alloc(300 * 2 ** 20)), "cannot be unpacked"],
    ["a cut part", packed(Buffer.alloc(300, 1)).subarray(0, 140), "it ends too early"],
  ])("refuses %s", async (_, bytes, message) => {
    const path = join(base, "hand.mat");
    writeFileSync(path, bytes);
    await expect(readTinyFaceList(path)).rejects.toThrow(message);
  });
});

describe.skipIf(!ijb.exists)("IJB's lists (needs PETALFACE_SHARED)", () => {
  it("are read", async () => {
    const meta = await readIjbMeta(join(ijb.path, "meta"));
    expect([meta.names.length, new Set(meta.template).size, meta.pairs.same.length]).toEqual([380, 100, 4950]);
    expect(meta.pairs.same.reduce((sum, flag) => sum + flag, 0)).toBe(50);
    expect([meta.names.at(0), meta.template[0], meta.media[0]]).toEqual(["1.jpg", 273, 1150]);
    expect(meta.score[0]).toBeCloseTo(0.534336, 6);
  });

  it.each([
    ["face_tid_mid.txt", "1.jpg 273\n", "line 1: 2 fields; expected 3"],
    ["face_tid_mid.txt", "1.jpg x 1\n", "line 1: expected name, template and medium"],
    ["name_5pts_score.txt", "2.jpg 1 1 1 1 1 1 1 1 1 1 0.5\n", "not the face"],
    ["template_pair_label.txt", "146 1 0\n", "has no face"],
    ["template_pair_label.txt", "146 174 2\n", "neither 1 nor 0"],
  ])("are refused where %s holds %j", async (file, text, message) => {
    const folder = join(base, `meta ${Math.random()}`);
    mkdirSync(folder);
    for (const name of ["face_tid_mid.txt", "name_5pts_score.txt", "template_pair_label.txt"])
      writeFileSync(
        join(folder, `x_${name}`),
        name === file ? text : readFileSync(join(ijb.path, "meta", `ijbc_${name}`)),
      );
    await expect(readIjbMeta(folder)).rejects.toThrow(message);
  });
});
