import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, expect, it } from "vitest";
import { random } from "../../src/random.ts";
import { temporaryFolder } from "../support/folder.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-copies-");
let faces: string;

/** A photo of noise. */
async function photo(path: string, width: number, height: number): Promise<void> {
  const draw = random(path.slice(folder.length), 1);
  const data = Uint8Array.from({ length: 3 * width * height }, () => draw.int(256));
  await sharp(data, { raw: { width, height, channels: 3 } })
    .webp({ lossless: true })
    .toFile(path);
}

beforeAll(async () => {
  faces = join(folder, "clips", "faces");
  for (const person of ["Anna", "Bert", "train"]) await mkdir(join(faces, person), { recursive: true });
  await photo(join(faces, "Anna", "Anna_1.webp"), 80, 100);
  await photo(join(faces, "Anna", "Anna_2.webp"), 64, 64);
  await photo(join(faces, "Anna", "Anna_3.webp"), 64, 64);
  await photo(join(faces, "Bert", "Bert_1.webp"), 14, 20);
  await photo(join(faces, "train", "1-a-2-unknown-0.5.webp"), 64, 64);
});

it("adds copies to a product's folder, of each photo at each size, and never copies of copies", async () => {
  for (let time = 0; time < 2; time++) {
    const { code, stdout, stderr } = await petalface(["copies", faces, "--out", faces, "--except", "train", "--json"]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ photos: 4, copies: 7, sizes: [16, 12], small: 1 });
    expect((await readdir(join(faces, "Anna"))).filter((name) => name.endsWith(".png")).sort()).toEqual(
      ["1_12px", "1_16px", "2_12px", "2_16px", "3_12px", "3_16px"].map((name) => `Anna_${name}.png`),
    );
    // 14 px on the shorter side: too small for a copy of 16 px.
    expect((await readdir(join(faces, "Bert"))).filter((name) => name.endsWith(".png"))).toEqual(["Bert_1_12px.png"]);
    expect(await readdir(join(faces, "train"))).toEqual(["1-a-2-unknown-0.5.webp"]);
  }
});

it("keeps the photo's size and proportions, and no more detail than the copy's pixels hold", async () => {
  const { data, info } = await sharp(join(faces, "Anna", "Anna_1_16px.png"))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([80, 100]);
  // 80 x 100 by way of 16 x 20: blocks of 5 x 5 are averaged, and their means lie at the centres of
  // the blocks.
  const original = await sharp(join(faces, "Anna", "Anna_1.webp"))
    .raw()
    .toBuffer();
  for (const [column, row] of [
    [0, 0],
    [7, 11],
    [15, 19],
  ] as const) {
    let sum = 0;
    for (let y = 0; y < 5; y++) for (let x = 0; x < 5; x++) sum += original[3 * ((5 * row + y) * 80 + 5 * column + x)];
    const centre = data[3 * ((5 * row + 2) * 80 + 5 * column + 2)];
    expect(Math.abs(centre - sum / 25)).toBeLessThanOrEqual(1);
  }
});

it("copies some of the photos, evenly, and refuses what it cannot do", async () => {
  const out = join(folder, "copies");
  const run = await petalface(["copies", faces, "--out", out, "--except", "train", "--sizes", "24", "--most", "2"]);
  expect(run.code, run.stderr).toBe(0);
  expect(await readdir(join(out, "Anna"))).toEqual(expect.arrayContaining(["Anna_1_24px.png", "Anna_2_24px.png"]));
  for (const args of [
    ["--sizes", "16,16"],
    ["--sizes", "1"],
    ["--except", "nobody"],
  ])
    expect(await petalface(["copies", faces, "--out", join(folder, "none"), ...args])).toMatchObject({ code: 2 });
  const own = join(out, "Anna", "Anna_1_24px.png");
  await writeFile(own, "a photo of mine");
  const again = ["copies", faces, "--out", out, "--except", "train", "--sizes", "24"];
  expect(await petalface(again)).toMatchObject({ code: 1, stderr: expect.stringContaining("is there already") });
  expect(await readFile(own, "utf8")).toBe("a photo of mine");
});
