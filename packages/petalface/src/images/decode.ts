import { readFileSync, statSync } from "node:fs";
import { itemAt } from "onnx-grad/basics";
import type { Metadata } from "sharp";
import { onDisk } from "../disk-names.ts";
import { messageOf, PetalfaceError, readCode, systemCode } from "../errors.ts";
import { readFailures } from "../files.ts";
import { refusePlaceholder } from "../placeholder.ts";
import { printPath } from "../print-path.ts";
import { recognise } from "./formats.ts";
import { toRgb } from "./pixels.ts";
import { decodePlainJpeg, plainJpegSides } from "./plain-jpeg.ts";
import { resize } from "./resize.ts";
import type { Pixels } from "./types.ts";

/**
 * More pixels than a face photo has (6,000 x 6,000), and few enough to be held in memory by several
 * threads at once.
 */
const mostPixels = 36_000_000;
/** Photos up to this are decoded at once; the sides of larger ones are looked at first. */
const usualPixels = 4_000_000;
/**
 * Photos that need not be square may have this many, if they can be shrunk while they are read; or
 * if they cannot.
 */
const mostShrunk = 500_000_000;
const mostWhole = 100_000_000;
const mostBytes = 128 * 1024 * 1024;
/**
 * Width and height of an aligned face may differ by this share, which rounding in a cropping tool
 * explains.
 */
const squareTolerance = 0.02;

/**
 * Decodes a face photo (JPEG, PNG, WebP, AVIF, GIF, TIFF) to 8-bit sRGB, upright as its EXIF tag
 * says. Transparency is put on black; grey gives three equal channels; 16 bits are cut to 8;
 * colours with an ICC profile are converted to sRGB, CMYK without one through the decoder's own; of
 * an animation or several pages the first counts. A square of another side is averaged down or
 * interpolated up, bilinear, the way that degradations do it.
 *
 * @param source a path, or the bytes of the file
 * @param size wanted side in pixels
 * @param name what error messages call the image; the path by default
 * @throws PetalfaceError naming the file where it cannot be read, is damaged, too large or not
 * square
 */
export async function decodeImage(
  source: string | Uint8Array,
  size: number,
  name: string = typeof source === "string" ? source : "image",
): Promise<Pixels> {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`an image side of ${size} pixels`);
  const shown = printPath(name);
  const pixels = await decodeAny(typeof source === "string" ? readImage(source, shown) : source, shown);
  checkSquare(pixels, shown);
  return resize(pixels, size, size);
}

/** A whole photo, upright. */
export interface Photo {
  readonly pixels: Pixels;
  /**
   * Sides of the stored photo in upright position; larger than those of `pixels` where it was
   * shrunk to fit into memory.
   */
  readonly width: number;
  readonly height: number;
}

/**
 * Decodes a photo of any shape as {@link decodeImage} does, at its own size. One of more than 36
 * megapixels is shrunk to that on the way, so that it is never whole in memory.
 *
 * @throws PetalfaceError naming the file where it cannot be read, is damaged, or has more than 500
 * megapixels (100, where its encoding is progressive and has to be unpacked whole)
 */
export async function decodePhoto(
  source: string | Uint8Array,
  name: string = typeof source === "string" ? source : "image",
): Promise<Photo> {
  const shown = printPath(name);
  const bytes = typeof source === "string" ? readImage(source, shown) : source;
  checkFormat(bytes, shown);
  const usual = (await decodePlainJpeg(bytes, usualPixels)) ?? (await unpackUpTo(bytes, usualPixels, shown));
  if (usual !== undefined) return { pixels: usual, width: usual.width, height: usual.height };
  const { autoOrient, isProgressive } = await readHeader(bytes, shown);
  const { width, height } = autoOrient;
  const most = isProgressive ? mostWhole : mostShrunk;
  if (width * height > most)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${shown} is ${width} x ${height}; a photo may have ${most.toLocaleString("en")} pixels${isProgressive ? " where it is progressive or interlaced" : ""}`,
    );
  const share = Math.min(1, Math.sqrt(mostPixels / (width * height)));
  const size = { width: Math.max(1, Math.floor(width * share)), height: Math.max(1, Math.floor(height * share)) };
  const pixels = await unpack(bytes, most, share < 1 ? size : undefined).catch((cause: unknown) => {
    throw damaged(shown, cause);
  });
  return { pixels, width, height };
}

function checkSquare({ width, height }: { readonly width: number; readonly height: number }, name: string): void {
  if (Math.abs(width - height) <= squareTolerance * Math.max(width, height)) return;
  throw new PetalfaceError(
    "PETAL_DATA_UNALIGNED",
    `${name} is ${width} x ${height}, not an aligned square face; run \`petalface align\` on it first`,
  );
}

/**
 * Sides of an encoded image in pixels, upright, without decoding it. Throws PetalfaceError where it
 * is none.
 */
export async function imageSides(
  bytes: Uint8Array,
  name: string,
): Promise<{ readonly width: number; readonly height: number }> {
  const shown = printPath(name);
  checkFormat(bytes, shown);
  const plain = plainJpegSides(bytes);
  if (plain !== undefined) return plain;
  const { autoOrient } = await readHeader(bytes, shown);
  return { width: autoOrient.width, height: autoOrient.height };
}

/**
 * Synchronous: on a small file it takes a tenth of the time, and batches are read in threads of
 * their own.
 */
function readImage(path: string, name: string): Uint8Array {
  try {
    const stats = statSync(onDisk(path));
    if (!stats.isFile()) throw new Error("it is not a file");
    if (stats.size > mostBytes) throw new Error(`${stats.size} bytes are too many for a face photo`);
    return readFileSync(onDisk(path));
  } catch (cause) {
    const code = systemCode(cause) ?? "";
    // The machine's fault, not the file's: skipping the image would make the result depend on what
    // else runs.
    if (/^(EMFILE|ENFILE|ENOMEM|EAGAIN)$/.test(code)) throw cause;
    // A system call's message repeats the path as it is, line breaks and all.
    throw new PetalfaceError(
      readCode(cause, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED"),
      `cannot read image ${name}: ${readFailures[code] ?? (code || firstLine(cause))}`,
      { cause },
    );
  }
}

/** Decodes at the stored size. */
async function decodeAny(bytes: Uint8Array, name: string): Promise<Pixels> {
  checkFormat(bytes, name);
  const plain = await decodePlainJpeg(bytes, usualPixels);
  if (plain !== undefined) return plain;
  const usual = await unpackUpTo(bytes, usualPixels, name);
  if (usual !== undefined) return usual;
  const sides = await readHeader(bytes, name);
  checkSquare(sides, name);
  if (sides.width * sides.height > mostPixels)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${name} is ${sides.width} x ${sides.height}; a face photo may have ${mostPixels.toLocaleString("en")} pixels`,
    );
  return await unpack(bytes, mostPixels).catch((cause: unknown) => {
    throw damaged(name, cause);
  });
}

/** Throws PetalfaceError where bytes are empty, too many, or of a format that is not read. */
function checkFormat(bytes: Uint8Array, name: string): void {
  if (bytes.length === 0) throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} is empty`);
  if (bytes.length > mostBytes)
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} has ${bytes.length} bytes, too many for a face photo`);
  // The decoder library also reads formats that run scripts or fetch other files (SVG, PDF); those
  // stay out.
  const { read, refused } = recognise(bytes);
  if (read) return;
  refusePlaceholder(bytes, name);
  throw new PetalfaceError(
    "PETAL_DATA_DAMAGED",
    refused === undefined
      ? `${name} is not a JPEG, PNG, WebP, AVIF, GIF or TIFF image; convert it or remove it`
      : `${name} is a file of the format ${refused}, which is not read; convert it to PNG or JPEG`,
  );
}

/** Sides as the header states them, before any rotation. */
async function readHeader(bytes: Uint8Array, name: string): Promise<Metadata> {
  const { default: sharp } = await import("sharp");
  return await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((cause: unknown) => {
      throw damaged(name, cause);
    });
}

function damaged(name: string, cause: unknown): PetalfaceError {
  return new PetalfaceError("PETAL_DATA_DAMAGED", `cannot decode ${name}: ${firstLine(cause)}; it is damaged`, {
    cause,
  });
}

/** Decodes; undefined where the image has more pixels than `limit`. */
async function unpackUpTo(bytes: Uint8Array, limit: number, name: string): Promise<Pixels | undefined> {
  try {
    return await unpack(bytes, limit);
  } catch (cause) {
    if (/pixel limit/i.test(firstLine(cause))) return undefined;
    throw damaged(name, cause);
  }
}

/** @param shrink size to shrink to while decoding, upright */
async function unpack(
  bytes: Uint8Array,
  limitInputPixels: number,
  shrink?: { readonly width: number; readonly height: number },
): Promise<Pixels> {
  const { default: sharp } = await import("sharp");
  const image = sharp(bytes, { failOn: "error", limitInputPixels, sequentialRead: true }).autoOrient();
  const { data, info } = await (shrink === undefined ? image : image.resize({ ...shrink, fit: "fill" }))
    .flatten({ background: "#000" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: toRgb(data, info.channels, info.width * info.height) };
}

function firstLine(cause: unknown): string {
  const text = messageOf(cause);
  return itemAt(text.split("\n", 1), 0).trim();
}
