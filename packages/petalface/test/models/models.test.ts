import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  cacheFolder,
  type KnownModel,
  knownModels,
  parseNormalize,
  preprocessingMetadata,
  resolveModel,
} from "../../src/models/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { onnxBytes } from "./fixtures.ts";

const folder = temporaryFolder("petalface-models-");

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function place(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

describe("preprocessing of a file", () => {
  const model = onnxBytes({ producer: "somebody" });
  const known: KnownModel[] = [
    {
      name: "nets",
      sha256: sha256(model),
      about: "",
      licence: "MIT",
      preprocessing: { mean: [1, 2, 3], scale: [0.5, 0.5, 0.5], channels: "bgr" },
    },
  ];

  test("of an unknown model is (x - 127.5) / 127.5, and its name that of the file", async () => {
    const path = await place("Größe 日本.onnx", model);
    const { spec } = await resolveModel(path);
    expect(spec).toEqual({
      name: "Größe 日本",
      sha256: sha256(model),
      mean: [127.5, 127.5, 127.5],
      scale: [1 / 127.5, 1 / 127.5, 1 / 127.5],
      channels: "rgb",
    });
  });

  test("of a known model is found by its hash, whatever the file is called", async () => {
    const { path, spec } = await resolveModel(await place("renamed.onnx", model), { known });
    expect(path).toBe(join(folder, "renamed.onnx"));
    expect(spec).toMatchObject({ name: "nets", mean: [1, 2, 3], channels: "bgr" });
  });

  test("is what the file's own metadata says, to the last bit", async () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    const triple = fc.tuple(number, number, number);
    await fc.assert(
      fc.asyncProperty(
        triple,
        triple,
        fc.constantFrom("rgb" as const, "bgr" as const),
        async (mean, scale, channels) => {
          const preprocessing = { mean, scale, channels };
          const bytes = onnxBytes({ metadata: preprocessingMetadata(preprocessing) });
          const { spec } = await resolveModel(await place("own.onnx", bytes));
          // -0 is written as 0, which is the same preprocessing.
          const positive = (values: readonly number[]): number[] => values.map((value) => value + 0);
          expect(positive(spec.mean)).toEqual(positive(mean));
          expect(positive(spec.scale)).toEqual(positive(scale));
          expect(spec.channels).toBe(channels);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("is overruled by --normalize, except for the order of the channels", async () => {
    const { spec } = await resolveModel(await place("n.onnx", model), { known, normalize: "0,1/255" });
    expect(spec).toMatchObject({ mean: [0, 0, 0], scale: [1 / 255, 1 / 255, 1 / 255], channels: "bgr" });
  });

  test("damaged metadata is an error and not a guess", async () => {
    const path = await place(
      "damaged.onnx",
      onnxBytes({ metadata: { "petalface.mean": "1,2", "petalface.scale": "1,1,1" } }),
    );
    await expect(resolveModel(path)).rejects.toThrow(/damaged\.onnx: its petalface\.\* metadata is damaged/);
  });
});

describe("bad model files", () => {
  test("zip", async () => {
    const path = await place("zip.onnx", Buffer.from("PK\u0003\u0004 and so on, as a checkpoint of PyTorch begins"));
    await expect(resolveModel(path)).rejects.toThrow(
      /zip\.onnx: a ZIP archive \(a PyTorch checkpoint\?\), not an ONNX model/,
    );
  });

  test.each([
    ["empty", new Uint8Array(0)],
    ["text", Buffer.from("# a shell script\necho hello\n")],
    ["cut short", onnxBytes({ producer: "x".repeat(300) }).subarray(0, 100)],
    ["a length beyond everything", Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])],
    ["a varint without end", Buffer.alloc(64, 0xff)],
    ["millions of tiny fields", Buffer.alloc(1 << 20, Buffer.from([0x08, 0x07]))],
  ])("%s", async (name, bytes) => {
    const path = await place(`bad ${name}.onnx`, bytes);
    await expect(resolveModel(path)).rejects.toThrow(/not an ONNX model, or cut short/);
  });

  test("random bytes give an error or a spec, never anything else", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const path = await place("random.onnx", bytes);
        await resolveModel(path).catch((error: Error) => expect(error.name).toBe("PetalfaceError"));
      }),
      { numRuns: 200 },
    );
  });

  test("a folder, a missing file and an unknown name say what to do", async () => {
    await mkdir(join(folder, "dir.onnx"));
    await expect(resolveModel(join(folder, "dir.onnx"))).rejects.toThrow(/is not a file/);
    await expect(resolveModel(join(folder, "none.onnx"))).rejects.toThrow(
      /no model ".*none\.onnx": neither a file nor/,
    );
    await expect(resolveModel("arcface")).rejects.toThrow(/known name \(fr_feature\)/);
  });
});

test("parseNormalize reads numbers and fractions, for all channels or for each", () => {
  expect(parseNormalize("127.5, 1/128")).toEqual({ mean: [127.5, 127.5, 127.5], scale: [1 / 128, 1 / 128, 1 / 128] });
  expect(parseNormalize("1,2,3,0.1,1/5,1e-2")).toEqual({ mean: [1, 2, 3], scale: [0.1, 0.2, 0.01] });
  for (const text of ["", "1", "1,0", "1,1/0", "a,b", "1,2,3", "1,,1", "1/2/3,1", "NaN,1", "1,2,3,4,5,6,7"])
    expect(() => parseNormalize(text), text).toThrow(expect.objectContaining({ exitCode: 2 }));
});

test("the cache folder follows the variables and habits of each platform", () => {
  expect(cacheFolder({ PETALFACE_CACHE: "/a", XDG_CACHE_HOME: "/b" }, "linux", "/h")).toBe("/a");
  expect(cacheFolder({ XDG_CACHE_HOME: "/b" }, "linux", "/h")).toBe(join("/b", "petalface"));
  expect(cacheFolder({}, "linux", "/h")).toBe(join("/h", ".cache", "petalface"));
  expect(cacheFolder({}, "darwin", "/h")).toBe(join("/h", "Library", "Caches", "petalface"));
  expect(cacheFolder({ LOCALAPPDATA: "/l" }, "win32", "/h")).toBe(join("/l", "petalface", "Cache"));
});

const shared = process.env.PETALFACE_SHARED ?? "../shared";
const weights = await readdir(join(shared, "weights")).catch(() => undefined);

test.skipIf(weights === undefined)(
  "the hashes of known models are those of the real files (needs PETALFACE_SHARED)",
  async () => {
    for (const model of knownModels)
      expect(sha256(await readFile(join(shared, "weights", `${model.name}.onnx`))), model.name).toBe(model.sha256);
  },
);
