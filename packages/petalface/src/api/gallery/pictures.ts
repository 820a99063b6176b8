import type { FaceData } from "../../data/index.ts";
import { faceKey } from "../../embeddings/index.ts";
import { type ImageSource, openImageStore } from "../../images/index.ts";

/** Where the pictures of a set are, by the hash that a gallery knows them by. */
export async function picturesOf(data: FaceData, signal: AbortSignal | undefined): Promise<Map<string, ImageSource>> {
  const images = openImageStore();
  const found = new Map<string, ImageSource>();
  try {
    for (let at = 0; at < data.length; at++) {
      signal?.throwIfAborted();
      const { source } = data.at(at);
      const key = await faceKey({ source, flip: false }, images).catch(() => undefined);
      if (key !== undefined) found.set(Buffer.from(key.buffer).toString("hex"), source);
    }
  } finally {
    images.close();
  }
  return found;
}
