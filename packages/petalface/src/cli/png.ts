import { open, rename, rm } from "node:fs/promises";
import sharp from "sharp";

/**
 * Writes one face as PNG: beside its place, then renamed in.
 * `planes`: 8-bit RGB planes, `3 x size x size`.
 */
export async function writePng(path: string, planes: Uint8Array, size: number): Promise<void> {
  const area = size * size;
  const pixels = Buffer.alloc(3 * area);
  for (let i = 0; i < area; i++)
    for (let channel = 0; channel < 3; channel++) pixels[3 * i + channel] = planes[channel * area + i] as number;
  const bytes = await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();
  const beside = `${path}.${process.pid}.part`;
  try {
    const file = await open(beside, "w");
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
