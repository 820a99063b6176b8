import { createHash } from "node:crypto";
import type { FaceData } from "../data/index.ts";
import { hashFace, hashWords, type Loader, prefetch } from "../images/index.ts";

/** Side at which pictures are compared. */
export const pictureSize = 112;

/** 32-bit words of a digest. */
export const digestWords = 4;

/** What is remembered of every picture of a set: 48 bytes. */
export interface Pictures {
  readonly count: number;
  /** Eight words a picture: its perceptual hash. */
  readonly hashes: Uint32Array;
  /** Four words a picture: the first 128 bits of the SHA-256 of its pixels. */
  readonly digests: Uint32Array;
  /** 1 where the picture cannot be read. */
  readonly unreadable: Uint8Array;
  readonly problems: readonly string[];
}

/** Faces read at once. */
const batch = 64;
/** Unreadable files that are named. */
const named = 20;

/** Reads every picture of the sets, one set after the other, numbered through. */
export async function readPictures(
  sets: readonly FaceData[],
  loader: Loader,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((done: number) => void) | undefined;
  } = {},
): Promise<Pictures> {
  const count = sets.reduce((sum, { length }) => sum + length, 0);
  const hashes = new Uint32Array(count * hashWords);
  const digests = new Uint32Array(count * digestWords);
  const unreadable = new Uint8Array(count);
  const problems: string[] = [];
  const bytes = 3 * loader.size ** 2;
  function* batches() {
    let first = 0;
    for (const data of sets) {
      for (let start = 0; start < data.length; start += batch) {
        const length = Math.min(batch, data.length - start);
        const at = first + start;
        const requests = Array.from({ length }, (_, i) => ({ source: data.at(start + i).source, flip: false }));
        const bad = (index: number, error: Error): void => {
          unreadable[at + index] = 1;
          if (problems.length < named) problems.push(error.message);
        };
        yield loader.load(requests, bad).then((planes) => ({ at, length, planes }));
      }
      first += data.length;
    }
  }
  for await (const { at, length, planes } of prefetch(batches(), 3)) {
    options.signal?.throwIfAborted();
    for (let i = 0; i < length; i++) {
      if (unreadable[at + i] === 1) continue;
      const face = planes.subarray(i * bytes, (i + 1) * bytes);
      hashFace(face, loader.size, hashes, (at + i) * hashWords);
      const digest = createHash("sha256").update(face).digest();
      for (let word = 0; word < digestWords; word++)
        digests[(at + i) * digestWords + word] = digest.readUInt32LE(4 * word);
    }
    options.onProgress?.(at + length);
  }
  return { count, hashes, digests, unreadable, problems };
}
