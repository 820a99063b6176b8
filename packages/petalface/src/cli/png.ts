import sharp from "sharp";
import { writeFileSafely } from "../files.ts";

/** Writes one face as PNG. `planes`: 8-bit RGB planes, `3 x size x size`. */
export async function writePng(path: string, planes: Uint8Array, size: number): Promise<void> {
  const area = size * size;
  const pixels = Buffer.alloc(3 * area);
  for (let i = 0; i < area; i++)
    for (let channel = 0; channel < 3; channel++) pixels[3 * i + channel] = planes[channel * area + i] as number;
  await writeFileSafely(
    path,
    await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
      .png()
      .toBuffer(),
  );
}
