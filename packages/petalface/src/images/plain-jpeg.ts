import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import decode, { init } from "@jsquash/jpeg/decode.js";
import { toRgb } from "./pixels.ts";
import type { Pixels } from "./types.ts";

/** A decoded image as the decoder gives it, RGBA. */
interface Decoded {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

let ready: Promise<void> | undefined;
let complaints = 0;

/**
 * Decodes a plain JPEG: complete, baseline, three channels of 8 bits, without EXIF, colour profile
 * or Adobe segment, at most `mostPixels` large. Such a file needs nothing but the JPEG library
 * itself, which as WebAssembly takes a fifth of the time of a whole image pipeline and gives the
 * same bits. undefined for all other files, and for what the library warns of: the caller's own
 * decoder then judges it. (In a damaged file that decodes without a warning, values far out of
 * range may be cut off in another way than by the caller's.)
 */
export async function decodePlainJpeg(bytes: Uint8Array, mostPixels: number): Promise<Pixels | undefined> {
  const sides = plainJpegSides(bytes);
  if (sides === undefined || sides.width * sides.height > mostPixels) return undefined;
  ready ??= load();
  await ready;
  const before = complaints;
  try {
    // The library takes any bytes, and its type of an image is a browser's.
    const { data, width, height } = (await decode(bytes as unknown as ArrayBuffer)) as unknown as Decoded;
    return complaints > before ? undefined : { width, height, data: toRgb(data, 4, width * height) };
  } catch {
    // The library gives up by ending its program; the next file gets a new one.
    ready = undefined;
    return undefined;
  }
}

function load(): Promise<void> {
  const path = createRequire(import.meta.url).resolve("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm");
  const printErr = (): void => {
    complaints++;
  };
  return init({ wasmBinary: readFileSync(path), printErr });
}

/** Markers of ITU-T T.81, table B.1. */
const startOfImage = 0xd8;
const endOfImage = 0xd9;
const startOfScan = 0xda;
const baseline = 0xc0;
const app0 = 0xe0;
const comment = 0xfe;
const tables = new Set([0xc4, 0xdb, 0xdd]);
const isRestart = (marker: number): boolean => marker >= 0xd0 && marker <= 0xd7;

/**
 * Width and height of a plain JPEG, which has no orientation; undefined for all other files. Walks
 * over the segments to the end of the image, which must be there.
 */
export function plainJpegSides(bytes: Uint8Array): { readonly width: number; readonly height: number } | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== startOfImage) return undefined;
  let sides: { readonly width: number; readonly height: number } | undefined;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const [, marker = 0, high = 0, low = 0] = bytes.subarray(at, at + 4);
    const length = (high << 8) | low;
    if (length < 2) return undefined;
    if (marker === startOfScan) return endsAfter(bytes, at + 2 + length) ? sides : undefined;
    if (marker === baseline) {
      // Length 17: 8 bits, height, width, three channels.
      const side = (place: number): number => ((bytes[at + place] ?? 0) << 8) | (bytes[at + place + 1] ?? 0);
      if (sides !== undefined || length !== 17 || bytes[at + 4] !== 8 || bytes[at + 9] !== 3) return undefined;
      sides = { width: side(7), height: side(5) };
      if (sides.width === 0 || sides.height === 0) return undefined;
    } else if (marker !== app0 && marker !== comment && !tables.has(marker)) return undefined;
    at += 2 + length;
  }
  return undefined;
}

/** Whether the scan that starts here is followed by the end of the image, and by no other scan. */
function endsAfter(bytes: Uint8Array, start: number): boolean {
  for (let at = bytes.indexOf(0xff, start); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at)) {
    const next = bytes[at + 1] ?? 0;
    if (next === endOfImage) return true;
    // A stuffed zero, a restart, or a fill byte before a marker.
    if (next === 0xff) at++;
    else if (next === 0 || isRestart(next)) at += 2;
    else return false;
  }
  return false;
}
