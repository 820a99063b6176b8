import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { imageSides } from "../../src/images/index.ts";
import { decodePlainJpeg, plainJpegSides } from "../../src/images/plain-jpeg.ts";
import { random } from "../../src/random.ts";
import { paint, shared } from "./helpers.ts";

const most = 4_000_000;
const face = paint(90, 90, (x, y, channel) => (x * 3 + y * y + channel * 60 + 40 * Math.sin(x * y)) & 255);
const raw = { raw: { width: 90, height: 90, channels: 3 } } as const;
const picture = () => sharp(face.data, raw);

/** What the general decoder gives or says. */
const general = (bytes: Uint8Array): Promise<Uint8Array | undefined> =>
  sharp(bytes, { failOn: "error", limitInputPixels: most })
    .autoOrient()
    .flatten({ background: "#000" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer()
    .catch(() => undefined);

const plain = [
  picture().jpeg({ quality: 90 }),
  picture().jpeg({ quality: 30, chromaSubsampling: "4:4:4" }),
  picture().jpeg({ quality: 75, optimiseCoding: false }).resize(37, 61, { fit: "fill" }),
];

describe("a plain JPEG", () => {
  it("is decoded to the general decoder's bits", async () => {
    for (const each of plain) {
      const bytes = await each.clone().toBuffer();
      const pixels = await decodePlainJpeg(bytes, most);
      expect([...(pixels?.data ?? [])]).toEqual([...((await general(bytes)) as Uint8Array)]);
    }
  });

  it("of anything is, at any quality", async () => {
    const shape = fc.record({
      width: fc.integer({ min: 1, max: 60 }),
      height: fc.integer({ min: 1, max: 60 }),
      quality: fc.integer({ min: 1, max: 100 }),
      chromaSubsampling: fc.constantFrom("4:2:0", "4:4:4"),
      contrast: fc.constantFrom(3, 60, 255),
      seed: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ width, height, quality, chromaSubsampling, contrast, seed }) => {
        const stream = random(seed);
        const data = Uint8Array.from({ length: 3 * width * height }, () => 128 + (stream.uniform() - 0.5) * contrast);
        const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
          .jpeg({ quality, chromaSubsampling })
          .toBuffer();
        const pixels = await decodePlainJpeg(bytes, most);
        expect(pixels && Buffer.compare(pixels.data, (await general(bytes)) as Uint8Array)).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it("that is damaged is never read where the general decoder refuses it", async () => {
    const bytes = await picture().jpeg({ quality: 80 }).toBuffer();
    let left = 0;
    const change = fc.record({
      at: fc.integer({ min: 2, max: bytes.length - 1 }),
      value: fc.integer({ min: 0, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), fc.boolean(), async (changes, cut) => {
        const broken = Buffer.from(bytes);
        for (const { at, value } of changes) broken[at] = value;
        const part = cut ? broken.subarray(0, Math.floor(broken.length * 0.7)) : broken;
        const pixels = await decodePlainJpeg(part, most);
        if (pixels === undefined) {
          left++;
          return;
        }
        expect(await general(part), "the general decoder refuses it").toBeDefined();
      }),
      { numRuns: 500 },
    );
    expect(left).toBeGreaterThan(100);
    // Giving up on one file spoils nothing.
    expect((await decodePlainJpeg(bytes, most))?.data).toEqual(new Uint8Array((await general(bytes)) as Uint8Array));
  });
});

describe("the sides of an image", () => {
  const wide = () => picture().resize(61, 37, { fit: "fill" });

  it("are read without the general decoder where it is a plain JPEG", async () => {
    const bytes = await wide().jpeg().toBuffer();
    expect(plainJpegSides(bytes)).toEqual({ width: 61, height: 37 });
    expect(await imageSides(bytes, "wide.jpg")).toEqual({ width: 61, height: 37 });
  });

  it("are upright where EXIF rotates it", async () => {
    const bytes = await wide().withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect(plainJpegSides(bytes)).toBeUndefined();
    expect(await imageSides(bytes, "rotated.jpg")).toEqual({ width: 37, height: 61 });
  });
});

describe("all other files", () => {
  it.each([
    ["progressive", () => picture().jpeg({ progressive: true }).toBuffer()],
    ["grey", () => picture().toColourspace("b-w").jpeg().toBuffer()],
    ["turned by EXIF", () => picture().withMetadata({ orientation: 6 }).jpeg().toBuffer()],
    ["with a colour profile", () => picture().withIccProfile("p3").jpeg().toBuffer()],
    ["CMYK", () => picture().toColourspace("cmyk").jpeg().toBuffer()],
    ["PNG", () => picture().png().toBuffer()],
    ["too large", () => picture().resize(2100, 2100).jpeg().toBuffer()],
    ["cut off", async () => (await picture().jpeg().toBuffer()).subarray(0, -3)],
    ["empty", async () => new Uint8Array(0)],
    ["two bytes", async () => Uint8Array.of(0xff, 0xd8)],
  ])("%s are left alone", async (_, make) => {
    expect(await decodePlainJpeg(await make(), most)).toBeUndefined();
  });
});

const lfw = shared("data", "lfw112");

describe.skipIf(!lfw.exists)("faces of LFW (needs the shared data)", () => {
  it("have the general decoder's bits", async () => {
    const people = readdirSync(lfw.path).filter((_, at) => at % 60 === 0);
    let own = 0;
    for (const person of people) {
      const bytes = readFileSync(join(lfw.path, person, readdirSync(join(lfw.path, person))[0]));
      const pixels = await decodePlainJpeg(bytes, most);
      if (pixels === undefined) continue;
      own++;
      expect(Buffer.compare(pixels.data, (await general(bytes)) as Uint8Array)).toBe(0);
    }
    expect(own).toBe(people.length);
  });
});
