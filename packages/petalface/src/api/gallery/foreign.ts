import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { ForeignFace, GalleryStore } from "../../gallery/index.ts";
import type { GivenOptions } from "./given.ts";

/**
 * Writes the pictures of faces as files with a manifest, and counts what has no picture. Crops that
 * were stretched get their shape back, unless they are said to be aligned.
 */
export async function writePictures(
  faces: Iterable<ForeignFace>,
  folder: string,
  manifest: string,
  aligned: GivenOptions["aligned"],
  isKept: (face: ForeignFace) => boolean,
): Promise<{ readonly pictures: number; readonly without: number }> {
  let [pictures, without] = [0, 0];
  let lines = "";
  for (const face of faces) {
    if (isKept(face)) continue;
    if (face.picture === null) {
      without++;
      continue;
    }
    const name = fileName(face.id);
    await writeFile(join(folder, name), aligned === "yes" ? face.picture : await unstretched(face));
    lines += `${JSON.stringify({ path: name, person: face.person })}\n`;
    pictures++;
  }
  await writeFile(manifest, lines);
  return { pictures, without };
}

/** The name of a file, whatever the product's ids are. */
export const fileName = (id: string): string =>
  /^[\w-]{1,80}$/.test(id) ? id : createHash("sha256").update(id).digest("hex").slice(0, 32);

/** A picture's file; one that the product stretched to a square gets its shape back. */
async function unstretched({ picture, aspect }: ForeignFace): Promise<Uint8Array> {
  if (picture === null) return new Uint8Array();
  if (aspect === undefined) return picture;
  const { width = 112, height = 112 } = await sharp(picture).metadata();
  const scale = Math.sqrt((width * height) / aspect);
  return await sharp(picture)
    .resize(Math.round(scale * aspect), Math.round(scale), { fit: "fill" })
    .png()
    .toBuffer();
}

/** Faces of one person that are written at once. */
const atOnce = 256;

/** Enrols faces with the embeddings that they have. Nothing judges their quality: alpha is 1. */
export async function keepEmbeddings(
  faces: Iterable<ForeignFace>,
  isKept: (face: ForeignFace) => boolean,
  store: GalleryStore,
  keepUntil: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly added: number; readonly known: number; readonly people: number }> {
  const found = { added: 0, known: 0, people: 0 };
  let some: ForeignFace[] = [];
  const write = async (): Promise<void> => {
    const [first] = some;
    if (first === undefined) return;
    signal.throwIfAborted();
    const isNew = (await store.ids([first.person])).size === 0;
    const added = await store.add(
      first.person,
      some.map(({ vector }) => ({
        vector,
        copies: new Float32Array(vector.length),
        alpha: 1,
        score: null,
        keepUntil,
        source: new Uint8Array(createHash("sha256").update(new Uint8Array(vector.buffer)).digest().subarray(0, 16)),
        picture: new Uint8Array(32),
      })),
    );
    found.added += added;
    found.known += some.length - added;
    if (isNew && added > 0) found.people++;
    some = [];
  };
  for (const face of faces) {
    if (!isKept(face)) continue;
    if (some[0]?.person !== face.person || some.length >= atOnce) await write();
    some.push(face);
  }
  await write();
  return found;
}
