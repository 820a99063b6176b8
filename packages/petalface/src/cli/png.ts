import { fromPlanes } from "../images/index.ts";

/** One face as PNG. `planes`: 8-bit RGB planes, `3 x size x size`. */
export async function encodePng(planes: Uint8Array, size: number): Promise<Buffer> {
  const { default: sharp } = await import("sharp");
  return await sharp(fromPlanes(planes), { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();
}
