import { readFileSync, statSync } from "node:fs";
import sharp from "sharp";
import { PetalfaceError } from "../errors.ts";
import { areaAxis, shrinkArea } from "./area.ts";
import { resizeBilinear } from "./bilinear.ts";
import type { Pixels } from "./types.ts";

/** More pixels than a face photo has, and few enough to be held in memory by several threads at once. */
const mostPixels = 64_000_000;
const mostBytes = 256 * 1024 * 1024;
/** Width and height of an aligned face may differ by this share, which rounding in a cropping tool explains. */
const squareTolerance = 0.02;

/** File name endings (lower case, with the dot) of the formats that {@link decodeImage} reads. */
export const imageExtensions: ReadonlySet<string> = new Set([
  ...[".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff"],
]);

/**
 * Decodes a face photo (JPEG, PNG, WebP, AVIF, GIF, TIFF) to 8-bit sRGB, upright as its EXIF tag says, with transparency on
 * black and grey as three equal channels. A square of another side is averaged down or interpolated up, bilinear, the
 * way that degradations do it.
 *
 * @param source a path, or the bytes of the file
 * @param size wanted side in pixels
 * @param name what error messages call the image; the path by default
 * @throws PetalfaceError naming the file where it cannot be read, is damaged, too large or not square
 */
export async function decodeImage(
  source: string | Uint8Array,
  size: number,
  name: string = typeof source === "string" ? source : "image",
): Promise<Pixels> {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`an image side of ${size} pixels`);
  const pixels = await decodeAny(typeof source === "string" ? readImage(source) : source, name);
  const { width, height } = pixels;
  if (Math.abs(width - height) > squareTolerance * Math.max(width, height)) {
    throw new PetalfaceError(
      `${name} is ${width} x ${height}, not an aligned square face; run \`petalface align\` on it first`,
    );
  }
  return resize(pixels, size);
}

/** Resizes to a square: each axis by area where it shrinks and bilinear where it grows. Equal sizes return the argument. */
function resize(pixels: Pixels, size: number): Pixels {
  const { width, height } = pixels;
  const smaller =
    width > size || height > size
      ? shrinkArea(pixels, areaAxis(width, Math.min(width, size)), areaAxis(height, Math.min(height, size)))
      : pixels;
  return smaller.width === size && smaller.height === size ? smaller : resizeBilinear(smaller, size, size);
}

/** Synchronous: on a small file it takes a tenth of the time, and batches are read in threads of their own. */
function readImage(path: string): Uint8Array {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) throw new Error("it is not a file");
    if (stats.size > mostBytes) throw new Error(`${stats.size} bytes are too many for a face photo`);
    return readFileSync(path);
  } catch (cause) {
    throw new PetalfaceError(`cannot read image ${path}: ${firstLine(cause)}`, { cause });
  }
}

/** Decodes at the stored size. */
async function decodeAny(bytes: Uint8Array, name: string): Promise<Pixels> {
  if (bytes.length === 0) throw new PetalfaceError(`${name} is empty`);
  if (bytes.length > mostBytes)
    throw new PetalfaceError(`${name} has ${bytes.length} bytes, too many for a face photo`);
  // The decoder library also reads formats that run scripts or fetch other files (SVG, PDF); those stay out.
  if (!knownFormat(bytes)) {
    throw new PetalfaceError(`${name} is no JPEG, PNG, WebP, AVIF, GIF or TIFF image; convert it or remove it`);
  }
  try {
    const image = sharp(bytes, { failOn: "error", limitInputPixels: mostPixels, sequentialRead: true });
    const { data, info } = await image
      .autoOrient()
      .flatten({ background: "#000" })
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: toRgb(data, info.channels, info.width * info.height) };
  } catch (cause) {
    throw new PetalfaceError(`cannot decode ${name}: ${firstLine(cause)}; it is damaged or too large`, { cause });
  }
}

function toRgb(data: Uint8Array, channels: number, area: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const rgb = new Uint8Array(area * 3);
  const step = channels < 3 ? 0 : 1;
  for (let at = 0; at < area; at++) {
    for (let channel = 0; channel < 3; channel++)
      rgb[at * 3 + channel] = data[at * channels + channel * step] as number;
  }
  return rgb;
}

/** Looks at the first bytes, whatever the file is called. */
function knownFormat(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 64)).toString("latin1");
  return (
    head.startsWith("\xff\xd8\xff") ||
    head.startsWith("\x89PNG\r\n\x1a\n") ||
    head.startsWith("GIF8") ||
    head.startsWith("II*\0") ||
    head.startsWith("MM\0*") ||
    (head.startsWith("RIFF") && head.slice(8, 12) === "WEBP") ||
    (head.slice(4, 8) === "ftyp" && /avif|avis|mif1/.test(head.slice(8)))
  );
}

function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return (text.split("\n", 1)[0] as string).trim();
}
