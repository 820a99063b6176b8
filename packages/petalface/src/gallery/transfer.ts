import { createHash } from "node:crypto";
import { PetalfaceError } from "../errors.ts";
import { writePiecesSafely } from "../files.ts";
import { printPath } from "../images/index.ts";
import { linesOf } from "./lines.ts";
import { makeWhole } from "./open.ts";
import type { EmbeddingRecord } from "./record.ts";
import type { GalleryStore } from "./store.ts";
import type { GallerySettings, NewFace } from "./types.ts";

/** First line of an export. */
interface Head {
  readonly format: "petalface-gallery";
  readonly version: 1;
  readonly record: EmbeddingRecord;
  readonly settings: GallerySettings;
}

/** A line of an export for each face; bytes and little-endian float32 in base64. */
interface Line extends Record<"source" | "picture" | "vector" | "copies", string> {
  readonly person: string;
  readonly added?: string | undefined;
  readonly alpha: number;
  readonly score: number | null;
  readonly crop?: string | undefined;
  readonly keepUntil?: string | undefined;
}

/** Last line: how many faces there are, and the SHA-256 of all bytes before it. */
interface Tail {
  readonly faces: number;
  readonly sha256: string;
}

const encode = (data: Uint8Array | Float32Array): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
const decode = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "base64"));
const floats = (text: string): Float32Array => new Float32Array(decode(text).buffer);

/**
 * Writes a gallery as one file of JSON lines that ends in its own check sum. Returns the number of
 * faces.
 */
export async function exportGallery(store: GalleryStore, out: string): Promise<number> {
  let faces = 0;
  async function* lines(): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    const line = (value: Head | Line): Buffer => {
      const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
      hash.update(bytes);
      return bytes;
    };
    yield line({ format: "petalface-gallery", version: 1, record: await store.record(), settings: store.settings });
    for await (const face of store.whole()) {
      const { person, added, source, picture, vector, copies, alpha, score, crop, keepUntil } = face;
      faces++;
      yield line({
        person,
        added,
        keepUntil,
        alpha,
        score,
        source: encode(source),
        picture: encode(picture),
        vector: encode(vector),
        copies: encode(copies),
        ...(crop && { crop: encode(crop) }),
      });
    }
    const tail: Tail = { faces, sha256: hash.digest("hex") };
    yield Buffer.from(`${JSON.stringify(tail)}\n`);
  }
  await writePiecesSafely(out, lines());
  return faces;
}

/** Faces that are written at once. */
const atOnce = 256;

/**
 * Makes a gallery of an export. It appears under its name when it is whole.
 *
 * @returns the number of faces
 * @throws PetalfaceError where the file is none, is damaged or cut off, or there is a file under
 * the gallery's name
 */
export async function importGallery(file: string, path: string): Promise<number> {
  const { head, faces } = await verify(file);
  await makeWhole(path, head.record, head.settings, (store) => fill(store, file));
  return faces;
}

/** Looks at the whole file before anything is written. */
async function verify(file: string): Promise<{ readonly head: Head; readonly faces: number }> {
  const fail = (what: string): PetalfaceError =>
    new PetalfaceError("PETAL_GALLERY_DAMAGED", `${printPath(file)} ${what}`);
  const hash = createHash("sha256");
  let head: Head | undefined;
  let last: string | undefined;
  let lines = 0;
  for await (const line of linesOf(file)) {
    if (last !== undefined) hash.update(`${last}\n`);
    if (head === undefined) head = headOf(line, fail);
    last = line;
    lines++;
  }
  const tail = parse<Tail>(last ?? "");
  if (head === undefined) throw fail("is empty; give a file that petalface gallery export wrote");
  if (tail?.sha256 !== hash.digest("hex") || tail.faces !== lines - 2)
    throw fail("is damaged or cut off: its check sum does not fit; export the gallery again");
  return { head, faces: tail.faces };
}

function headOf(line: string, fail: (what: string) => PetalfaceError): Head {
  const head = parse<Head>(line);
  if (head?.format !== "petalface-gallery") throw fail("is no export of a gallery");
  if (head.version !== 1) throw fail(`has format ${head.version}; use a newer petalface`);
  return head;
}

async function fill(store: GalleryStore, file: string): Promise<void> {
  let some: { readonly person: string; readonly faces: NewFace[] }[] = [];
  let count = 0;
  const write = async (): Promise<void> => {
    if (count > 0) await store.addAll(some);
    [some, count] = [[], 0];
  };
  let first = true;
  for await (const text of linesOf(file)) {
    const line = parse<Line>(text);
    if (!first && line?.vector !== undefined) {
      if (count >= atOnce) await write();
      if (some.at(-1)?.person !== line.person) some.push({ person: line.person, faces: [] });
      count++;
      const { added, alpha, score, crop, keepUntil } = line;
      some.at(-1)?.faces.push({
        added,
        keepUntil,
        alpha,
        score,
        source: decode(line.source),
        picture: decode(line.picture),
        vector: floats(line.vector),
        copies: floats(line.copies),
        ...(crop && { crop: decode(crop) }),
      });
    }
    first = false;
  }
  await write();
}

/** JSON, or undefined where it is none. */
function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
