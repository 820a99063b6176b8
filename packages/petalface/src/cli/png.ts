/** One face as PNG. `planes`: 8-bit RGB planes, `3 x size x size`. */
export async function encodePng(planes: Uint8Array, size: number): Promise<Buffer> {
  const area = size * size;
  const pixels = Buffer.alloc(3 * area);
  for (let i = 0; i < area; i++)
    for (let channel = 0; channel < 3; channel++) pixels[3 * i + channel] = planes[channel * area + i] as number;
  const { default: sharp } = await import("sharp");
  return await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();
}
