import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { PetalfaceError } from "../../src/errors.ts";
import { decodeImage, type Pixels, resizeBilinear } from "../../src/images/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { gradient, mean, paint, worst } from "./helpers.ts";

const folder = temporaryFolder();
const face = gradient(32);

function encoder({ data, width, height }: Pixels): Sharp {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

async function decodedBack(image: Sharp, size = 32): Promise<Pixels> {
  return decodeImage(new Uint8Array(await image.toBuffer()), size);
}

describe("decodeImage", () => {
  it.each<[string, (image: Sharp) => Sharp, number]>([
    ["PNG", (image) => image.png(), 0],
    ["lossless WebP", (image) => image.webp({ lossless: true }), 0],
    ["TIFF", (image) => image.tiff({ compression: "lzw" }), 0],
    ["16-bit PNG", (image) => image.toColourspace("rgb16").png(), 1],
    ["JPEG", (image) => image.jpeg({ quality: 100, chromaSubsampling: "4:4:4" }), 4],
    ["AVIF", (image) => image.avif({ quality: 100, chromaSubsampling: "4:4:4" }), 4],
    ["opaque alpha", (image) => image.ensureAlpha(1).png(), 0],
  ])("reads %s", async (_name, encode, tolerance) => {
    expect(worst((await decodedBack(encode(encoder(face)))).data, face.data)).toBeLessThanOrEqual(tolerance);
  });

  it("converts CMYK to RGB", async () => {
    const result = await decodedBack(encoder(face).toColourspace("cmyk").jpeg({ quality: 100 }));
    // Another gamut: colours move, but light stays light and dark stays dark.
    for (const channel of [0, 1, 2]) {
      const pick = (data: Uint8Array) => data.filter((_, at) => at % 3 === channel);
      expect(Math.abs(mean(pick(result.data)) - mean(pick(face.data)))).toBeLessThan(40);
    }
  });

  it.each([8, 16])("expands grey of %i bits to three equal channels", async (bits) => {
    const grey = paint(32, 32, (x, y) => x * 4 + y * 3);
    const image = encoder(grey)
      .toColourspace(bits === 8 ? "b-w" : "grey16")
      .png();
    expect(worst((await decodedBack(image)).data, grey.data)).toBeLessThanOrEqual(1);
  });

  it("puts transparency on black", async () => {
    const half = paint(32, 32, () => 200);
    const result = await decodedBack(encoder(half).ensureAlpha(0.5).png());
    expect(Math.abs(mean(result.data) - 100)).toBeLessThanOrEqual(1);
  });

  it("puts grey with transparency on black", async () => {
    const image = encoder(paint(32, 32, () => 200))
      .toColourspace("b-w")
      .ensureAlpha(0)
      .png();
    expect(mean((await decodedBack(image)).data)).toBe(0);
  });

  it("turns a photo upright", async () => {
    // Orientation 6: the stored picture must be turned a quarter clockwise.
    const image = encoder(face).withMetadata({ orientation: 6 }).png();
    const upright = paint(32, 32, (x, y, channel) => face.data[((31 - x) * 32 + y) * 3 + channel]);
    expect((await decodedBack(image)).data).toEqual(upright.data);
  });

  it("reads only the first picture of an animation", async () => {
    const frames = paint(16, 32, (_x, y) => (y < 16 ? 50 : 250));
    const animated = sharp(frames.data, { raw: { width: 16, height: 32, channels: 3, pageHeight: 16 } });
    const result = await decodedBack(animated.webp({ lossless: true }), 16);
    expect([...new Set(result.data)]).toEqual([50]);
  });

  it("averages down and interpolates up", async () => {
    const twice = await decodedBack(encoder(face).png(), 64);
    expect(twice.data).toEqual(resizeBilinear(face, 64, 64).data);
    const half = await decodedBack(encoder(paint(32, 32, (x) => (x % 2) * 100)).png(), 16);
    expect([...new Set(half.data)]).toEqual([50]);
  });

  it("accepts what rounding in a cropping tool leaves", async () => {
    const result = await decodedBack(encoder(paint(112, 111, () => 77)).png(), 112);
    expect([result.width, result.height, mean(result.data)]).toEqual([112, 112, 77]);
  });

  it("asks to align what is no square", async () => {
    const image = encoder(paint(32, 40, () => 0)).png();
    await expect(decodedBack(image)).rejects.toThrow(
      "image is 32 x 40, not an aligned square face; run `petalface align`",
    );
  });

  it("reads a file whose name is not ASCII", async () => {
    const path = join(folder, "Зоя 山田 é.png");
    writeFileSync(path, await encoder(face).png().toBuffer());
    expect((await decodeImage(path, 32)).data).toEqual(face.data);
  });
});

describe("a file that is no good", () => {
  const write = (name: string, bytes: Uint8Array | string) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  const problem = async (path: string): Promise<string> => {
    const error = await decodeImage(path, 32).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(PetalfaceError);
    const { message } = error as PetalfaceError;
    expect(message).toContain(path);
    expect(message).not.toContain("\n");
    return message;
  };

  it("is named: missing, a folder, empty, text", async () => {
    expect(await problem(join(folder, "absent.jpg"))).toContain("cannot read");
    mkdirSync(join(folder, "folder.jpg"));
    expect(await problem(join(folder, "folder.jpg"))).toContain("not a file");
    expect(await problem(write("empty.jpg", ""))).toContain("is empty");
    expect(await problem(write("page.jpg", "<html>404</html>"))).toContain("a web page or XML, not what its name says");
    expect(await problem(write("note.jpg", "not here"))).toContain("not a JPEG");
  });

  it("is named: cut off at any place", async () => {
    const noise = paint(32, 32, (x, y, channel) => (x * 7919 + y * 104729 + channel * 31) % 256);
    const jpeg = await encoder(noise).jpeg().toBuffer();
    const png = await encoder(noise).png().toBuffer();
    for (const share of [0.02, 0.3, 0.6, 0.9]) {
      await problem(write("cut.jpg", jpeg.subarray(0, Math.floor(jpeg.length * share))));
      await problem(write("cut.png", png.subarray(0, Math.floor(png.length * share))));
    }
  });

  it("is refused before its pixels are unpacked where they are too many", async () => {
    const png = await encoder(face).png().toBuffer();
    png.writeUInt32BE(60_000, 16);
    png.writeUInt32BE(60_000, 20);
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
    expect(await problem(write("bomb.png", png))).toContain("60000 x 60000");
  });

  it("is refused where it could run a program or fetch something", async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><rect width="32" height="32"/></svg>';
    expect(await problem(write("drawing.png", svg))).toContain("format SVG, which is not read");
    expect(await problem(write("page.png", "%PDF-1.7"))).toContain("format PDF, which is not read");
    expect(await problem(write("spaced.png", `\n\n${svg}`))).toContain("not a JPEG");
  });
});
