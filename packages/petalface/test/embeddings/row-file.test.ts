import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bytesOf, embeddingsHead, npyHead } from "../../src/api/embed/files.ts";
import { openEmbeddingFile } from "../../src/embeddings/index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rows-"));
});
afterAll(() => rm(folder, { recursive: true }));

const values = Float32Array.from({ length: 5 * 3 }, (_, i) => i / 7);
/** What numpy 2.4.6 writes: np.save(path, np.arange(6, dtype='<f4').reshape(2, 3)). */
const numpy = Buffer.from(
  "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAg" +
    "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAA" +
    "oEA=",
  "base64",
);

test("rows of .npy and safetensors files, by position", async () => {
  const npy = join(folder, "a.npy");
  const safetensors = join(folder, "a.safetensors");
  await writeFile(npy, Buffer.concat([npyHead(5, [3]), bytesOf(values)]));
  await writeFile(
    safetensors,
    Buffer.concat([embeddingsHead(5, [3], true, { model: "m" }), bytesOf(values), bytesOf(new Float32Array(5))]),
  );
  for (const path of [npy, safetensors]) {
    const file = await openEmbeddingFile(path);
    expect([file.count, file.width]).toEqual([5, 3]);
    expect(await file.read(1, 3)).toEqual(values.slice(3, 12));
    expect(await file.read(0, 5)).toEqual(values);
    await file.close();
  }
  await writeFile(npy, numpy);
  const theirs = await openEmbeddingFile(npy);
  expect(await theirs.read(1, 1)).toEqual(Float32Array.of(3, 4, 5));
  await theirs.close();
});

test("anything else is one clear line", async () => {
  const path = join(folder, "bad");
  const whole = Buffer.concat([npyHead(5, [3]), bytesOf(values)]);
  const swap = (from: string, to: string) => Buffer.from(whole.toString("latin1").replace(from, to), "latin1");
  for (const [content, message] of [
    [whole.subarray(0, 100), /not a NumPy file|promises/],
    [whole.subarray(0, whole.length - 1), /promises 5 rows of 3/],
    [whole.subarray(0, 7), /not a NumPy file/],
    [swap("<f4", "<f8"), /not a NumPy file of float32/],
    [swap("False", "True "), /C order/],
    [swap("(5, 3)", "(15,) "), /two dimensions/],
    [swap("(5, 3)", "(9, 9)"), /promises 9 rows/],
    [Buffer.alloc(0), /safetensors/],
    [Buffer.alloc(40, 255), /safetensors/],
    [embeddingsHead(5, [3], false, {}), /truncated/],
  ] as const) {
    await writeFile(path, content);
    await expect(openEmbeddingFile(path)).rejects.toThrow(message);
  }
  await expect(openEmbeddingFile(join(folder, "none"))).rejects.toThrow(/cannot be read/);
});
