import { fromPlanes } from "./pixels.ts";
import type { Pixels } from "./types.ts";

/** An image as PNG, without loss. */
export async function encodePixels({ width, height, data }: Pixels): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** One face as PNG. `planes`: 8-bit RGB planes, `3 x size x size`. */
export const encodePng = (planes: Uint8Array, size: number): Promise<Uint8Array> =>
  encodePixels({ width: size, height: size, data: fromPlanes(planes) });

/** A face's largest side in a page: pictures of larger ones would only make the page larger. */
const pageSide = 112;

/**
 * One face as a small JPEG, without chroma subsampling: for pages with many faces. `planes` as for
 * {@link encodePng}.
 */
export async function encodeSmallJpeg(planes: Uint8Array, size: number): Promise<Buffer> {
  const { default: sharp } = await import("sharp");
  return await sharp(fromPlanes(planes), { raw: { width: size, height: size, channels: 3 } })
    .resize({ width: pageSide, withoutEnlargement: true })
    .jpeg({ quality: 88, chromaSubsampling: "4:4:4" })
    .toBuffer();
}
