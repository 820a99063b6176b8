import type { Pixels } from "./types.ts";

/** An image as PNG, without loss. */
export async function encodePixels({ width, height, data }: Pixels): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
