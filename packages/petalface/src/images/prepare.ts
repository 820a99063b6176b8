import { decodeImage } from "./decode.ts";
import { createDegrader } from "./degrade.ts";
import { drawFace, type FaceSpace } from "./facespace.ts";
import { openFaceSpace } from "./open-facespace.ts";
import { flip, toPlanes } from "./pixels.ts";
import { nameOf, nameOfFace, openImageStore } from "./stored.ts";
import type { ImageRequest, ImageSource, Pixels } from "./types.ts";

/** A request on its way to a worker. */
export interface WorkerRequest extends ImageRequest {
  /** Slot of the shared cache that holds this face, or shall hold it. */
  readonly slot?: number;
  /** Whether the slot holds the face already. */
  readonly cached?: boolean;
}

/** Faces that could be prepared, and those that could not. */
export interface Prepared {
  /** `[n, 3, size, size]`; zeros where a face is bad. */
  readonly planes: Uint8Array<ArrayBuffer>;
  readonly bad: readonly { readonly index: number; readonly error: unknown }[];
}

/** What a preparer needs to know; plain data for a worker. */
export interface PrepareOptions {
  readonly size: number;
  /** Decoded faces, `size * size * 3` bytes each, shared by all workers. */
  readonly cache?: SharedArrayBuffer | undefined;
}

/**
 * Prepares faces one after another. It keeps the face space, the weights of degradations and open
 * files between calls.
 */
export interface Preparer {
  prepare(requests: readonly WorkerRequest[]): Promise<Prepared>;
  /** Closes the files. */
  close(): void;
}

/** Opens a {@link Preparer}: source, flip, degradation, planes. */
export function createPreparer({ size, cache }: PrepareOptions): Preparer {
  const bytes = size * size * 3;
  const degrader = createDegrader();
  const store = openImageStore();
  let space: Promise<FaceSpace> | undefined;

  async function read(source: ImageSource): Promise<Pixels> {
    switch (source.kind) {
      case "file":
        return decodeImage(source.path, size);
      case "bytes":
      case "record":
        return decodeImage(store.read(source), size, nameOf(source));
      case "memory":
        // A copy: the decoder takes no memory that threads share.
        return decodeImage(Uint8Array.from(source.bytes), size, nameOfFace(source));
      case "synthetic":
        space ??= openFaceSpace();
        return drawFace(await space, source, size);
    }
  }

  async function readCached({ source, slot, cached }: WorkerRequest): Promise<Pixels> {
    if (cache === undefined || slot === undefined) return read(source);
    const place = new Uint8Array(cache, slot * bytes, bytes);
    if (cached) return { width: size, height: size, data: place };
    const pixels = await read(source);
    place.set(pixels.data);
    return pixels;
  }

  async function prepare(requests: readonly WorkerRequest[]): Promise<Prepared> {
    const planes = new Uint8Array(requests.length * bytes);
    const bad: { index: number; error: unknown }[] = [];
    for (const [index, request] of requests.entries()) {
      try {
        let pixels = await readCached(request);
        if (request.flip) pixels = flip(pixels);
        if (request.degrade !== undefined) pixels = degrader(pixels, request.degrade);
        toPlanes(pixels, planes, index * bytes);
      } catch (error) {
        bad.push({ index, error });
      }
    }
    return { planes, bad };
  }

  return { prepare, close: () => store.close() };
}
