import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { openData, readVerification } from "../../src/data/index.ts";
import { PetalfaceError } from "../../src/errors.ts";
import { openImageStore, openLoader, type StoredSource } from "../../src/images/index.ts";
import { petalface } from "../cli/process.ts";
import { shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";

const base = temporaryFolder();
const oracle = shared("oracle", "formats", "verification");

interface Expected {
  readonly pairs: readonly { readonly a: string; readonly b: string; readonly same: boolean }[];
  readonly images: readonly { readonly sha256: string; readonly decoded_sum_rgb: readonly number[] }[];
  readonly files: Readonly<Record<string, { readonly pairs: number }>>;
}

/**
 * The pickle of two lists in protocol 2, by hand: byte strings of Python 2, flags as `I00`/`I01`.
 */
function pickle(images: readonly Uint8Array[], flags: readonly boolean[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from("\x80\x02](", "latin1")];
  for (const image of images) {
    const head = Buffer.from("T\0\0\0\0", "latin1");
    head.writeUInt32LE(image.length, 1);
    parts.push(head, image);
  }
  parts.push(Buffer.from(`e](${flags.map((flag) => (flag ? "\x88" : "\x89")).join("")}e\x86.`, "latin1"));
  return Buffer.concat(parts);
}

describe.skipIf(!oracle.exists)("verification lists (needs PETALFACE_SHARED)", () => {
  const { pairs, images, files } = oracle.exists
    ? (JSON.parse(readFileSync(join(oracle.path, "expected.json"), "utf8")) as Expected)
    : { pairs: [], images: [], files: {} };

  it.each(Object.keys(files))("reads %s", async (file) => {
    const list = await readVerification(join(oracle.path, file));
    const count = files[file]?.pairs ?? 0;
    expect([...list.same]).toEqual(pairs.slice(0, count).map(({ same }) => Number(same)));
    const store = openImageStore();
    const digests = list.images.map((source) =>
      createHash("sha256")
        .update(store.read(source as StoredSource))
        .digest("hex"),
    );
    store.close();
    expect(digests).toEqual(images.slice(0, 2 * count).map(({ sha256 }) => sha256));
    list.original.forEach((first, at) => {
      expect(first).toBe(digests.indexOf(itemAt(digests, at)));
    });
  });

  it("decodes them as data of unknown people, alike in every variant", async () => {
    await using loader = openLoader({ size: 112, threads: 1 });
    for (const file of Object.keys(files)) {
      const data = await openData(join(oracle.path, file));
      expect(data.people).toEqual([]);
      const planes = await loader.load([{ source: data.at(1).source, flip: false }]);
      images[1]?.decoded_sum_rgb.forEach((sum, channel) => {
        const ours = planes.subarray(channel * 112 ** 2, (channel + 1) * 112 ** 2).reduce((a, b) => a + b, 0);
        expect(Math.abs(ours - sum) / sum).toBeLessThan(0.002);
      });
    }
  });

  it("is told from a checkpoint by inspect", async () => {
    const { stdout } = await petalface(["inspect", join(oracle.path, "lfw_mini_python2.bin"), "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ kind: "data", faces: 16, people: 0, problems: [] });
  });

  it("survives any change of one byte without a stack trace, a hang or memory", async () => {
    const bytes = readFileSync(join(oracle.path, "lfw_mini_numpy_issame_p2.bin"));
    const path = join(base, "changed.bin");
    // Half of the places are among the last 200 bytes, where the structure is.
    const place = fc.oneof(fc.nat(bytes.length - 1), fc.integer({ min: bytes.length - 200, max: bytes.length - 1 }));
    await fc.assert(
      fc.asyncProperty(place, fc.nat(255), async (at, value) => {
        const changed = Buffer.from(bytes);
        changed[at] = value;
        writeFileSync(path, changed);
        const result = await readVerification(path).catch((error: unknown) => error);
        if (result instanceof Error) expect(result).toBeInstanceOf(PetalfaceError);
      }),
      { numRuns: 150 },
    );
  });
});

describe("verification lists by hand", () => {
  const read = async (bytes: Uint8Array) => {
    const path = join(base, "hand.bin");
    writeFileSync(path, bytes);
    return readVerification(path);
  };

  it("finds repeated images", async () => {
    const [a, b] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4)];
    const list = await read(pickle([a, b, b, a], [true, false]));
    expect([...list.original]).toEqual([0, 1, 1, 0]);
    expect([...list.same]).toEqual([1, 0]);
  });

  it.each([
    ["flags that are missing", pickle([Uint8Array.of(1), Uint8Array.of(2)], []), "2 images and 0 flags"],
    ["an odd image", pickle([Uint8Array.of(1)], [true]), "1 images and 1 flags"],
    ["text", Buffer.from("hello"), "not a pickle of protocol 2"],
    ["nothing", Buffer.alloc(0), "not a pickle of protocol 2"],
    ["half of a list", pickle([Uint8Array.of(1), Uint8Array.of(2)], [true]).subarray(0, 12), "ends in the middle"],
    ["a call", Buffer.from("\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "latin1"), "os.system"],
  ])("refuses %s", async (_, bytes, message) => {
    await expect(read(bytes)).rejects.toThrow(message);
  });
});
