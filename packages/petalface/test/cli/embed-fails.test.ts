import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GraphBuilder, ops, writeModel } from "onnx-grad";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import { tinySize } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-embed-fails-");
const model = tinyModelIn(folder);
let faces: string;
let temporary: string;

beforeAll(async () => {
  faces = join(folder, "faces");
  temporary = join(folder, "temporary");
  await mkdir(join(faces, "a"), { recursive: true });
  await mkdir(temporary);
  const white = Buffer.alloc(tinySize * tinySize * 3, 255);
  for (const name of ["1.png", "2.png"])
    await sharp(white, { raw: { width: tinySize, height: tinySize, channels: 3 } })
      .png()
      .toFile(join(faces, "a", name));
});

/** Expects one line and exit code 1, no output, and no temporary folder left. */
async function expectFailure(
  name: string,
  flags: { model?: string; images?: string; more?: string[]; env?: Record<string, string> },
  pattern: RegExp,
): Promise<void> {
  const out = join(folder, "out", name);
  await mkdir(out, { recursive: true });
  const where = ["--model", flags.model ?? model, "--images", flags.images ?? faces, "--out", join(out, "x.npy")];
  const result = await petalface(["embed", ...where, "--quiet", ...(flags.more ?? [])], {
    env: { TMPDIR: temporary, ...flags.env },
  });
  expect(result).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(pattern) });
  expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(await readdir(out)).toEqual([]);
  expect(await readdir(temporary)).toEqual([]);
}

test("embed fails where no face can be read", async () => {
  const bad = join(folder, "bad");
  await mkdir(join(bad, "a"), { recursive: true });
  for (const name of ["1.jpg", "2.jpg"])
    await writeFile(join(bad, "a", name), Buffer.from([0xff, 0xd8, 0xff, 0, 1, 2]));
  await expectFailure("unreadable", { images: bad }, /^petalface: .*bad: 2 of the 2 images tried cannot be read/);
  const more = ["--max-left-out", "100"];
  await expectFailure("none-left", { images: bad, more }, /^petalface: .*bad: no face has an embedding; .*1\.jpg/);
});

test("embed fails where no embedding is finite", async () => {
  const path = join(folder, "nan.onnx");
  const b = new GraphBuilder({ name: "nan", opset: 18 });
  const o = ops(b);
  const image = b.input("image", { dtype: "float32", shape: [1, 3, tinySize, tinySize] });
  // Logarithms of what is below 0 for a white picture only: the noise by which the model is tried
  // gives numbers.
  const pooled = o.reshape(o.reduceMean(image, [2, 3], false), [1, 3]);
  const weight = b.constant({
    dtype: "float32",
    dims: [3, 4],
    data: Float32Array.from({ length: 12 }, (_, i) => Math.cos(i)),
  });
  await writeModel(b.build([o.gemm(o.log(o.sub(0.9, pooled)), weight)]), path);
  await expectFailure(
    "not-finite",
    { model: path },
    /^petalface: .*faces: 2 of the 2 images tried give no finite numbers/,
  );
});

test("embed fails where no engine can be opened", () =>
  expectFailure(
    "no-engine",
    { env: { TMPDIR: join(folder, "no such folder") } },
    /^petalface: cannot write .*no such folder: /,
  ));
