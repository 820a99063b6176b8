import { extname } from "node:path";

/** File name endings (lower case, with the dot) of the formats that are read. */
export const imageExtensions: ReadonlySet<string> = new Set([
  ".jpg",
  ".jpeg",
  ".jpe",
  ".jfif",
  ".png",
  ".webp",
  ".avif",
  ".gif",
  ".tif",
  ".tiff",
]);

/** Endings of photo formats that are not read. */
const refusedExtensions: ReadonlyMap<string, string> = new Map([
  ...[".bmp", ".dib"].map((ending) => [ending, "BMP"] as const),
  ...[".heic", ".heif", ".hif"].map((ending) => [ending, "HEIC"] as const),
  ...[".jp2", ".j2k", ".jpf", ".jpx"].map((ending) => [ending, "JPEG 2000"] as const),
  ...[".pgm", ".ppm", ".pnm"].map((ending) => [ending, "PNM"] as const),
  [".jxl", "JPEG XL"],
  [".tga", "TGA"],
]);

/** Formats that are not read: where in the file, which Latin-1 text. */
const refusedHeads: readonly (readonly [number, string, string])[] = [
  [0, "BM", "BMP"],
  [0, "\0\0\x01\0", "ICO"],
  [0, "\0\0\0\x0cjP  ", "JPEG 2000"],
  [0, "\xff\x4f\xff\x51", "JPEG 2000"],
  [0, "\0\0\0\x0cJXL ", "JPEG XL"],
  [0, "\xff\x0a", "JPEG XL"],
  [4, "ftypavis", "AVIF sequence"],
  ...["hei", "hev", "mif", "msf"].map((brand) => [4, `ftyp${brand}`, "HEIC"] as const),
  ...[1, 2, 3, 4, 5, 6].flatMap((kind) => ["\n", " ", "\r"].map((end) => [0, `P${kind}${end}`, "PNM"] as const)),
  [0, "8BPS", "Photoshop"],
  [0, "%PDF", "PDF"],
  [0, "<svg", "SVG"],
  [0, "<?xml", "XML"],
  [0, "<!DOCTYPE", "HTML"],
  [0, "<html", "HTML"],
];

/**
 * Name of a photo format that is not read, by the ending of a file's name; undefined for all
 * others.
 */
export function refusedFormat(name: string): string | undefined {
  return refusedExtensions.get(extname(name).toLowerCase());
}

/**
 * Ending of the name that a file with these first bytes should have, with the dot; undefined for
 * what no reader knows.
 */
export function endingOf(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 16)).toString("latin1");
  if (head.startsWith("\xff\xd8\xff")) return ".jpg";
  if (head.startsWith("\x89PNG")) return ".png";
  if (!recognise(bytes).read) return undefined;
  if (head.startsWith("GIF8")) return ".gif";
  if (head.startsWith("RIFF")) return ".webp";
  return head.startsWith("ftyp", 4) ? ".avif" : ".tif";
}

/**
 * Tells a format by the first bytes, whatever the file is called.
 *
 * @returns whether it is read, and the name of a format that is known and is not
 */
export function recognise(bytes: Uint8Array): { readonly read: boolean; readonly refused?: string | undefined } {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 64)).toString("latin1");
  const read =
    head.startsWith("\xff\xd8\xff") ||
    head.startsWith("\x89PNG\r\n\x1a\n") ||
    head.startsWith("GIF8") ||
    head.startsWith("II*\0") ||
    head.startsWith("MM\0*") ||
    (head.startsWith("RIFF") && head.slice(8, 12) === "WEBP") ||
    head.startsWith("ftypavif", 4) ||
    // Some writers name the container first and AVIF among what it is compatible with.
    (head.startsWith("ftypmif1", 4) && head.includes("avif", 16));
  return read ? { read } : { read, refused: refusedHeads.find(([at, text]) => head.startsWith(text, at))?.[2] };
}
