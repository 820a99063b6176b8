import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { PetalfaceError } from "../../src/errors.ts";
import { decodeImage, imageExtensions, printPath, refusedFormat } from "../../src/images/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { paint } from "./helpers.ts";

const folder = temporaryFolder();
/** Four squares; what wrote the files is said in the folder's README. */
const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
type Colour = readonly [number, number, number];
const red: Colour = [224, 32, 32];
const green: Colour = [32, 192, 64];
const blue: Colour = [32, 64, 208];
const grey: Colour = [160, 160, 160];
const colours = [red, green, blue, grey];

/** Colours of a fixture's squares, row by row, each in its middle. */
async function squares(name: string): Promise<Colour[]> {
  const { width, height, data } = await decodeImage(fixture(name), 16);
  expect([width, height]).toEqual([16, 16]);
  return [4, 12].flatMap((y) =>
    [4, 12].map((x) => [...data.subarray((y * 16 + x) * 3, (y * 16 + x) * 3 + 3)] as unknown as Colour),
  );
}

function difference(one: readonly Colour[], other: readonly Colour[]): number {
  return Math.max(...one.flatMap((colour, square) => colour.map((v, c) => Math.abs(v - (other[square]?.[c] ?? 999)))));
}

/** Luma as ITU-R BT.601 weights it, which is what the writer of the grey fixtures did. */
const luma = ([r, g, b]: Colour): Colour => {
  const value = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  return [value, value, value];
};
const shade = ([r, g, b]: Colour, share: number): Colour => [r * share, g * share, b * share];
const seen = [red, green, shade(blue, 128 / 255), shade(grey, 0)];

/**
 * Display P3 to sRGB: both have sRGB's curve; the matrix of linear values follows from the
 * primaries of SMPTE EG 432-1.
 */
function fromP3(colour: Colour): Colour {
  const linear = colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  const rows = [
    [1.2249401763, -0.2249401763, 0],
    [-0.0420569547, 1.0420569547, 0],
    [-0.0196375546, -0.0786360456, 1.0982736001],
  ];
  return rows.map((row) => {
    const value = row.reduce((sum, factor, at) => sum + factor * linear[at], 0);
    const curved = value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
    return 255 * Math.min(Math.max(curved, 0), 1);
  }) as unknown as Colour;
}

describe("pictures written by Pillow", () => {
  it.each<[string, readonly Colour[], number]>([
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((turn): [string, readonly Colour[], number] => [`exif-${turn}.jpg`, colours, 2]),
    ["exif-6.webp", colours, 0],
    ["exif-6.png", colours, 0],
    ["plain.jpg", colours, 2],
    ["progressive.jpg", colours, 2],
    ["plain.webp", colours, 0],
    ["lossy.webp", colours, 2],
    ["plain.avif", colours, 3],
    ["plain.tif", colours, 0],
    ["deflate.tif", colours, 0],
    ["palette.png", colours, 0],
    ["palette.gif", colours, 0],
    ["grey.png", colours.map(luma), 1],
    ["grey.jpg", colours.map(luma), 1],
    ["grey-16.png", colours.map(luma), 1],
    ["bits.png", [shade(grey, 0), [255, 255, 255], shade(grey, 0), [255, 255, 255]], 0],
    ["bits.tif", [shade(grey, 0), [255, 255, 255], shade(grey, 0), [255, 255, 255]], 0],
    ["alpha.png", seen, 1],
    ["alpha.webp", seen, 1],
    ["alpha.avif", seen, 3],
    [
      "grey-alpha.png",
      seen.map((c, square) => (square < 2 ? luma(c) : shade(luma(blue), square === 2 ? 128 / 255 : 0))),
      1,
    ],
    ["palette-alpha.png", [red, green, blue, shade(grey, 0)], 0],
    ["animated.gif", colours, 0],
    ["animated.webp", colours, 0],
    ["animated.png", colours, 0],
    ["pages.tif", colours, 0],
    ["p3.png", colours.map(fromP3), 4],
    ["p3.webp", colours.map(fromP3), 4],
    ["p3.jpg", colours.map(fromP3), 5],
  ])("%s is read", async (name, expected, tolerance) => {
    expect(difference(await squares(name), expected)).toBeLessThanOrEqual(tolerance);
  });

  it("of CMYK keep their hue, though paper has no such colours", async () => {
    const [r, g, b, n] = (await squares("cmyk.jpg")) as [Colour, Colour, Colour, Colour];
    expect(r[0]).toBeGreaterThan(Math.max(r[1], r[2]) + 80);
    expect(g[1]).toBeGreaterThan(Math.max(g[0], g[2]) + 30);
    expect(b[2]).toBeGreaterThan(Math.max(b[0], b[1]) + 30);
    expect(Math.max(...n) - Math.min(...n)).toBeLessThan(40);
  });

  it.each([
    ["plain.bmp", "BMP"],
    ["plain.ico", "ICO"],
    ["plain.jp2", "JPEG 2000"],
    ["plain.ppm", "PNM"],
    ["animated.avif", "AVIF sequence"],
  ])("%s is refused by the format's name", async (name, format) => {
    await expect(decodeImage(fixture(name), 16)).rejects.toThrow(
      `${fixture(name)} is a file of the format ${format}, which is not read; convert it to PNG or JPEG`,
    );
  });

  it.each([
    ...["plain.jpg", "progressive.jpg", "cmyk.jpg", "plain.webp", "alpha.webp", "plain.avif", "plain.tif"],
    ...["deflate.tif", "palette.gif", "palette.png", "grey-16.png", "bits.tif", "p3.jpg"],
  ])("%s is refused where half of it is missing", async (name) => {
    const bytes = readFileSync(fixture(name));
    for (const share of [0.1, 0.3, 0.5])
      await expect(decodeImage(bytes.subarray(0, bytes.length * share), 16, "the file")).rejects.toThrow(
        PetalfaceError,
      );
  });

  it("of any damage are read or refused, never more", async () => {
    let state = 1;
    const next = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (const name of ["plain.jpg", "alpha.png", "alpha.webp", "plain.avif", "animated.gif", "plain.tif", "p3.jpg"]) {
      for (let round = 0; round < 25; round++) {
        const bytes = readFileSync(fixture(name));
        for (let change = 0; change < 4; change++) bytes[next(bytes.length)] = next(256);
        const result = await decodeImage(bytes, 16).catch((error: unknown) => error);
        if (result instanceof Error) expect(result).toBeInstanceOf(PetalfaceError);
        else expect((result as { data: Uint8Array }).data.length).toBe(768);
      }
    }
  });
});

describe("pictures of unusual layout", () => {
  const face = paint(20, 20, (x, y, channel) => (x * 9 + y * 5 + channel * 40) % 256);
  const raw = { raw: { width: 20, height: 20, channels: 3 } } as const;

  it("may be interlaced", async () => {
    const bytes = await sharp(face.data, raw).png({ progressive: true }).toBuffer();
    expect(bytes[28]).toBe(1);
    expect((await decodeImage(bytes, 20)).data).toEqual(face.data);
  });

  it("may have 16 bits, of which the upper 8 are kept", async () => {
    const deep = Uint16Array.from(face.data, (value) => value * 256 + 200);
    const bytes = png(20, 20, 16, 2, rows(20, new Uint8Array(deep.buffer), true));
    expect((await decodeImage(bytes, 20)).data).toEqual(face.data);
  });
});

describe("a picture of too many pixels", () => {
  const write = (name: string, bytes: Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  it.each<[string, number, number, RegExp]>([
    ["square", 50_000, 50_000, /is 50000 x 50000; a face photo may have 36,000,000 pixels/],
    ["too long to be a face", 100_000, 1000, /is 100000 x 1000, not an aligned square face/],
    ["as large as PNG can say", 2 ** 31 - 1, 2 ** 31 - 1, /2147483647|cannot decode/],
    ["without any", 0, 0, /cannot decode/],
  ])("%s is refused by its head, without memory for it", async (_name, width, height, message) => {
    const path = write("bomb.png", png(width, height, 8, 2, deflateSync(Buffer.alloc(1 << 20))));
    const before = process.memoryUsage.rss();
    await expect(decodeImage(path, 112)).rejects.toThrow(message);
    await expect(decodeImage(path, 112)).rejects.toThrow(path);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 2 ** 20);
  });

  it("is averaged down where it is large and real", async () => {
    const large = await sharp({ create: { width: 2200, height: 2200, channels: 3, background: "#406080" } })
      .png()
      .toBuffer();
    const { data } = await decodeImage(large, 16);
    expect([...new Set(data)].sort((one, other) => one - other)).toEqual([0x40, 0x60, 0x80]);
  });
});

describe("names", () => {
  it("say the format that is read, or refused", () => {
    expect(imageExtensions.has(".jpeg")).toBe(true);
    expect([refusedFormat("a.BMP"), refusedFormat("x/y.heic"), refusedFormat("a.jpg"), refusedFormat("bmp")]).toEqual([
      "BMP",
      "HEIC",
      undefined,
      undefined,
    ]);
  });

  it("are printed on one line, whatever is in them", () => {
    expect(printPath("a b/ü 😀.jpg")).toBe("a b/ü 😀.jpg");
    expect(printPath("a\nb\u001b[2J.jpg")).toBe('"a\\nb\\u001b[2J.jpg"');
    expect(printPath("gpj.\u202egnp\u2028")).toBe('"gpj.\\u202egnp\\u2028"');
  });
});

/** A PNG by hand, so that its head can say anything. */
function png(width: number, height: number, depth: number, colour: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([depth, colour], 8);
  const chunk = (type: string, body: Uint8Array) => {
    const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type), body, Buffer.alloc(4)]);
    bytes.writeUInt32BE(body.length, 0);
    bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
    return bytes;
  };
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", new Uint8Array(0))]);
}

/** Unfiltered rows of 16-bit RGB, most significant byte first, compressed. */
function rows(height: number, bytes: Uint8Array, swap: boolean): Uint8Array {
  const data = Buffer.from(bytes);
  if (swap) data.swap16();
  const length = data.length / height;
  const filtered = Array.from({ length: height }, (_, y) =>
    Buffer.concat([Buffer.from([0]), data.subarray(y * length, (y + 1) * length)]),
  );
  return deflateSync(Buffer.concat(filtered));
}
