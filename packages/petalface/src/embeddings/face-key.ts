import { createHash } from "node:crypto";
import { onDisk } from "../disk-names.ts";
import { readGivenFile } from "../files.ts";
import type { ImageRequest, ImageStore } from "../images/index.ts";

/**
 * 128 bits that say which pixels a request asks for: the first of the SHA-256 of the image's bytes
 * and of everything that is done to them. Where the file lies and what it is called does not
 * matter.
 *
 * @param images reads faces that are stored in a file with others
 * @throws the operating system's error, or a PetalfaceError, if the file cannot be read
 */
export async function faceKey(
  { source, face: _, ...rest }: ImageRequest,
  images: Pick<ImageStore, "read">,
): Promise<Uint32Array> {
  const hash = createHash("sha256");
  if (source.kind === "file") hash.update(await readGivenFile(onDisk(source.path)));
  else if (source.kind === "memory") hash.update(source.bytes);
  else if (source.kind === "synthetic") hash.update(JSON.stringify(source));
  else hash.update(images.read(source));
  const done = Object.entries(rest).filter(([, value]) => value !== undefined);
  const digest = hash.update(JSON.stringify(done.sort())).digest();
  return new Uint32Array(new Uint8Array(digest.subarray(0, 16)).buffer);
}
