import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { describe, expect, it } from "vitest";
import {
  encodeRecord,
  type FaceData,
  openData,
  packRecords,
  skipUnreadable,
  unpackRecords,
} from "../../src/data/index.ts";
import { PetalfaceError } from "../../src/errors.ts";
import { openImageStore, openLoader, type StoredSource } from "../../src/images/index.ts";
import { petalface } from "../cli/process.ts";
import { shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";

const base = temporaryFolder();
let folders = 0;
const newFolder = (): string => {
  const folder = join(base, `records ${folders++}`);
  mkdirSync(folder);
  return folder;
};

interface Expected {
  readonly images: readonly {
    readonly index: number;
    readonly label: number;
    readonly flag: number;
    readonly payload_sha256: string;
    readonly decoded_sum_rgb: readonly number[];
  }[];
  readonly identities: readonly { readonly index: number; readonly label: readonly number[] }[];
  readonly header_record: { readonly label: readonly number[] };
}

interface Plain {
  readonly records: readonly {
    readonly index: number;
    readonly label: number;
    readonly id: number;
    readonly id2: number;
    readonly payload_bytes: number;
    readonly payload_sha256: string;
  }[];
}

const json = <T>(path: string): T => JSON.parse(readFileSync(path, "utf8")) as T;
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const noEncoding = { encode: () => Promise.reject(new Error("not needed")) };

function payloads(data: FaceData): Uint8Array[] {
  const store = openImageStore();
  const all = Array.from({ length: data.length }, (_, at) => store.read(data.at(at).source as StoredSource));
  store.close();
  return all;
}

/** People by name, so that sets whose people are numbered otherwise compare equal. */
const names = (data: FaceData): (string | undefined)[] =>
  Array.from({ length: data.length }, (_, at) => data.people[data.at(at).person]);

/** A copy of files in a new folder. */
function copy(from: string, ...files: string[]): string {
  const folder = newFolder();
  for (const file of files) {
    copyFileSync(join(from, file), join(folder, file));
  }
  return folder;
}

/** Writes records behind each other, with an index or without. */
function write(records: readonly Uint8Array[], keys: readonly number[] | undefined): string {
  const folder = newFolder();
  writeFileSync(join(folder, "train.rec"), Buffer.concat(records));
  if (keys !== undefined) {
    let position = 0;
    const lines = records.map((record, at) => {
      const line = `${keys[at]}\t${position}\n`;
      position += record.length;
      return line;
    });
    writeFileSync(join(folder, "train.idx"), lines.join(""));
  }
  return join(folder, "train.rec");
}

async function problem(spec: string): Promise<string> {
  const error = await openData(spec).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PetalfaceError);
  expect((error as Error).message).not.toContain("\n");
  return (error as Error).message;
}

const oracle = shared("oracle", "formats", "recordio");

describe.skipIf(!oracle.exists)("files that MXNet wrote (needs PETALFACE_SHARED)", () => {
  const expected = oracle.exists ? json<Expected>(join(oracle.path, "expected.json")) : undefined;
  const plainPlace = shared("oracle", "formats", "recordio_plain").path;

  it.each(["with the index", "without it", "as a folder"])("reads insightface's layout %s", async (how) => {
    const folder = how === "without it" ? copy(oracle.path, "train.rec") : oracle.path;
    const data = await openData(how === "as a folder" ? folder : join(folder, "train.rec"));
    const images = expected?.images ?? [];
    expect(data.length).toBe(24);
    expect(data.people).toEqual(["0", "1", "2", "3", "4", "5"]);
    expect(Array.from({ length: 24 }, (_, at) => data.at(at).id)).toEqual(images.map(({ index }) => String(index)));
    expect(names(data)).toEqual(images.map(({ label }) => String(label)));
    expect(payloads(data).map(sha256)).toEqual(images.map((image) => image.payload_sha256));
    const named = await openData(join(oracle.path, "train.rec"));
    expect(data.fingerprint).toBe(named.fingerprint);
  });

  it("decodes them in worker threads", async () => {
    const data = await openData(join(oracle.path, "train.rec"));
    await using loader = openLoader({ size: 112, threads: 2, cacheBytes: 1 << 20 });
    const requests = Array.from({ length: data.length }, (_, at) => ({ source: data.at(at).source, flip: false }));
    for (const planes of [await loader.load(requests), await loader.load(requests)]) {
      for (const [at, image] of (expected?.images ?? []).entries()) {
        image.decoded_sum_rgb.forEach((sum, channel) => {
          const start = (3 * at + channel) * 112 ** 2;
          const ours = planes.subarray(start, start + 112 ** 2).reduce((total, value) => total + value, 0);
          expect(Math.abs(ours - sum) / sum).toBeLessThan(0.002);
        });
      }
    }
  });

  it("joins payloads that hold the magic word, and takes an empty one for what it is", async () => {
    const { records } = json<Plain>(join(plainPlace, "expected.json"));
    for (const folder of [plainPlace, copy(plainPlace, "train.rec")]) {
      const data = await openData(join(folder, "train.rec"));
      expect(names(data)).toEqual(records.map(({ label }) => String(label)));
      expect(payloads(data).map(sha256)).toEqual(records.map((record) => record.payload_sha256));
    }
  });

  it("writes the same bytes as MXNet", async () => {
    const plain = await openData(join(plainPlace, "train.rec"));
    const { records } = json<Plain>(join(plainPlace, "expected.json"));
    const again = payloads(plain).map((payload, at) => {
      const { label, id, id2 } = records[at];
      return encodeRecord({ label, id, id2 }, payload);
    });
    expect(Buffer.concat(again).equals(readFileSync(join(plainPlace, "train.rec")))).toBe(true);

    const data = await openData(join(oracle.path, "train.rec"));
    const { images = [], identities = [], header_record } = expected ?? {};
    const bodies = payloads(data).map((payload, at) => {
      const { label, flag, index } = images[at];
      return encodeRecord({ label: flag === 0 ? label : [label, 1], id: index }, payload);
    });
    const empty = new Uint8Array();
    for (const { index, label } of identities) bodies.push(encodeRecord({ label, id: index }, empty));
    bodies.push(encodeRecord({ label: header_record?.label ?? 0, id: 0 }, empty));
    expect(Buffer.concat(bodies).equals(readFileSync(join(oracle.path, "train.rec")))).toBe(true);
  });

  it("packs it anew: the index and the list equal MXNet's, but for labels that were arrays", async () => {
    const out = join(newFolder(), "new", "train.rec");
    const data = await openData(join(oracle.path, "train.rec"));
    const packed = await packRecords(data, out, noEncoding);
    expect(packed).toMatchObject({ images: 24, people: 6, unreadable: { count: 0 } });
    const again = await openData(out);
    expect(payloads(again).map(sha256)).toEqual(payloads(data).map(sha256));
    expect(names(again)).toEqual(names(data));
    const keys = (path: string): string[] =>
      readFileSync(path, "utf8")
        .split("\n")
        .map((line) => itemAt(line.split("\t"), 0));
    expect(keys(out.replace(/rec$/, "idx"))).toEqual(keys(join(oracle.path, "train.idx")));
    const labels = (path: string): (string | undefined)[] =>
      readFileSync(path, "utf8")
        .split("\n")
        .map((line) => line.split("\t").at(2));
    expect(labels(out.replace(/rec$/, "lst"))).toEqual(labels(join(oracle.path, "train.lst")));
    expect(statSync(out).size).toBe(packed.bytes);
  });

  it("packs, inspects, unpacks and reads lists from the command line", async () => {
    const folder = newFolder();
    const rec = join(folder, "ä b.rec");
    const packed = await petalface(["data", "pack", join(oracle.path, "train.rec"), "--out", rec, "--json"]);
    expect(packed.stderr).not.toContain("error");
    expect(JSON.parse(packed.stdout)).toMatchObject({ images: 24, people: 6 });
    const inspected = await petalface(["inspect", rec, "--json"]);
    expect(JSON.parse(inspected.stdout)).toMatchObject({
      kind: "data",
      faces: 24,
      people: 6,
      looked: 16,
      problems: [],
    });
    const unpacked = await petalface(["data", "unpack", rec, "--out", join(folder, "faces"), "--json"]);
    expect(JSON.parse(unpacked.stdout)).toMatchObject({ images: 24 });
    const faces = await openData(join(folder, "faces"));
    expect([faces.length, faces.people.length]).toEqual([24, 6]);
    const twice = await petalface(["data", "pack", rec, "--out", rec]);
    expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining("is what this command reads")]);
    const judged = await petalface(["quality", rec, "--json"]);
    expect(JSON.parse(judged.stdout).images).toHaveLength(24);
    writeFileSync(join(folder, "faces", "a.lst"), `1\t3\t0/1.jpg\n2\t3\t0/2.jpg\n`);
    writeFileSync(join(folder, "faces", "b.lst"), `1\t0/1.jpg\t3\n1\t1/5.jpg\t4\n`);
    expect((await openData(join(folder, "faces", "a.lst"))).people).toEqual(["3"]);
    expect((await openData(join(folder, "faces", "b.lst"))).people).toEqual(["3", "4"]);
  });

  it("counts damaged records, and lets training go on with others", async () => {
    const folder = copy(oracle.path, "train.rec", "train.idx");
    const path = join(folder, "train.rec");
    const bytes = readFileSync(path);
    bytes[6568] = 1; // the magic word of record 3
    writeFileSync(path, bytes);
    const data = await openData(path);
    expect([data.length, data.unreadable?.count]).toEqual([24, 0]);
    const told: string[] = [];
    await using loader = skipUnreadable(openLoader({ size: 112, threads: 1 }), data, (message) => told.push(message));
    await loader.load([1, 2, 3].map((face) => ({ source: data.at(face).source, flip: false, face })));
    expect(told).toEqual([expect.stringContaining("image 3 is damaged: no record begins")]);
    expect(loader.used(2)).toBe(3);

    const walked = copy(folder, "train.rec");
    const without = await openData(join(walked, "train.rec"));
    expect([without.length, without.unreadable?.count]).toEqual([23, 1]);
    expect(names(without)).toEqual(names(data).filter((_, at) => at !== 2));
  });

  it("tells of a file that was not copied to its end", async () => {
    const folder = copy(oracle.path, "train.rec", "train.idx");
    truncateSync(join(folder, "train.rec"), 40_000);
    expect(await problem(join(folder, "train.rec"))).toMatch(/cannot be read, more than 5 %.*is the file complete/);
    // Without the index nobody knows how many there were.
    const rest = await openData(join(copy(folder, "train.rec"), "train.rec"));
    expect(rest.length).toBeLessThan(24);
    expect(rest.unreadable?.first).toEqual([expect.stringContaining("is the file complete?")]);
  });
});

describe("record files of our own", () => {
  const small = fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes));
  // Words that make the writer cut, among others.
  const payload = fc
    .array(fc.oneof(small, fc.constant(Uint8Array.of(0x0a, 0x23, 0xd7, 0xce))), { maxLength: 6 })
    .map((parts) => new Uint8Array(Buffer.concat(parts)));
  const label = fc.oneof(fc.nat(50), fc.array(fc.nat(50), { minLength: 1, maxLength: 5 }));

  it("reads what it writes, indexed or not, in any order of keys", async () => {
    const records = fc.array(fc.record({ label, payload }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(records, fc.boolean(), async (list, indexed) => {
        const keys = list.map((_, at) => list.length - at);
        const bytes = list.map((record, at) =>
          encodeRecord({ label: record.label, id: itemAt(keys, at) }, record.payload),
        );
        const data = await openData(write(bytes, indexed ? keys : undefined));
        const inOrder = list.toReversed();
        expect(payloads(data).map(sha256)).toEqual(inOrder.map((record) => sha256(record.payload)));
        expect(names(data)).toEqual(
          inOrder.map((record) => String(typeof record.label === "number" ? record.label : record.label[0])),
        );
      }),
      { numRuns: 40 },
    );
  });

  it("survives any change of one byte", async () => {
    const bytes = Buffer.concat(
      Array.from({ length: 30 }, (_, at) => encodeRecord({ label: at % 3, id: at }, new Uint8Array(20))),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), async (at, value) => {
        const changed = Buffer.from(bytes);
        changed[at] = value;
        const data = await openData(write([changed], undefined));
        // A length that happens to end where a record begins takes up to four others with it.
        expect(data.length).toBeGreaterThanOrEqual(25);
        payloads(data);
      }),
      { numRuns: 60 },
    );
  });

  it("asks each image where the records of the people disagree with it", async () => {
    const image = (key: number, who: number) => encodeRecord({ label: who, id: key }, Uint8Array.of(key));
    const empty = new Uint8Array();
    const records = [
      ...[image(1, 7), image(2, 7), image(3, 9)],
      encodeRecord({ label: [1, 3], id: 4 }, empty),
      encodeRecord({ label: [3, 4], id: 5 }, empty),
      encodeRecord({ label: [4, 6], id: 0 }, empty),
    ];
    const data = await openData(write(records, [1, 2, 3, 4, 5, 0]));
    expect(names(data)).toEqual(["7", "7", "9"]);
  });

  it("keeps the list of a file that had to be read through, and notices changes", async () => {
    const records = Array.from({ length: 50 }, (_, at) => encodeRecord({ label: at % 5, id: at }, new Uint8Array(9)));
    const path = write(records, undefined);
    const cache = newFolder();
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const options = { cache, cacheFrom: 10 };
    const first = await openData(path, options);
    expect(readdirSync(cache)).toHaveLength(1);
    const second = await openData(path, options);
    expect(second.fingerprint).toBe(first.fingerprint);
    expect(payloads(second)).toHaveLength(50);
    expect(names(second)).toEqual(names(first));
    writeFileSync(path, Buffer.concat(records.slice(0, 40)));
    expect((await openData(path, options)).length).toBe(40);
  });

  it.each([
    ["1\t0\n1\t36\n", "lists record 1 twice"],
    ["1\t0\n2\tx\n", 'line 2: "x" is not a digit'],
    ["1\t0\n2\n", "line 2: 1 numbers; expected 2"],
    ["1\t0\t5\n", "line 1: too many numbers"],
    ["", "lists no records"],
    ["5000000000\t0\n", "is too large"],
  ])("refuses the index %j", async (text, message) => {
    const path = write(
      [encodeRecord({ label: 0, id: 1 }, Uint8Array.of(1)), encodeRecord({ label: 0, id: 2 }, Uint8Array.of(2))],
      undefined,
    );
    writeFileSync(path.replace(/rec$/, "idx"), text);
    expect(await problem(path)).toContain(message);
  });

  it("refuses what is no record file", async () => {
    const folder = newFolder();
    writeFileSync(join(folder, "empty.rec"), "");
    writeFileSync(join(folder, "text.rec"), "This is a text, not a record file, and long enough to look at.");
    expect(await problem(join(folder, "empty.rec"))).toContain("holds no images");
    expect(await problem(join(folder, "text.rec"))).toContain("no record begins there");
    expect(await problem(join(folder, "missing.rec"))).toContain("does not exist");
  });

  it("leaves nothing where packing fails", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "faces"));
    for (let i = 0; i < 3; i++) writeFileSync(join(folder, "faces", `${i}.jpg`), "no image");
    await expect(packRecords(await openData(join(folder, "faces")), join(folder, "a.rec"), noEncoding)).rejects.toThrow(
      "is unknown; a record file needs a person",
    );
    const people = await openData("synthetic:people=2,images=2");
    const failing = { encode: () => Promise.reject(new PetalfaceError("PETAL_DATA_DAMAGED", "broken")) };
    await expect(packRecords(people, join(folder, "b.rec"), failing)).rejects.toThrow("cannot be read");
    expect(readdirSync(folder)).toEqual(["faces"]);
    await expect(unpackRecords(people, join(folder, "c"), {})).rejects.toThrow("is not a record file");
    expect(existsSync(join(folder, "c"))).toBe(false);
  });
});
