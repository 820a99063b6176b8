import { type EmbeddingModel, openEmbedder } from "petalface/backbones";
import { type FaceData, openData, subset } from "petalface/data";
import { embedFaces } from "petalface/embeddings";
import { type Degradation, type ImageRequest, openLoader } from "petalface/images";
import { lfw } from "./shared.ts";
import { spread } from "./statistics.ts";

/** Embeddings of some faces as a model gives them, row by row. */
export interface Rows {
  readonly rows: Float32Array;
  /** Undefined where the model computes none. */
  readonly alpha: Float32Array | undefined;
}

/** Embeds faces with one model, one set after the other. */
export interface FaceRows extends AsyncDisposable {
  embed(requests: readonly ImageRequest[]): Promise<Rows>;
}

/** Opens a model for several sets of faces. */
export async function openFaceRows(model: EmbeddingModel, threads: number): Promise<FaceRows> {
  const loader = openLoader({ size: model.size, threads: 1 });
  const embedder = await openEmbedder(model, { threads });
  return {
    async embed(requests) {
      const rows = new Float32Array(requests.length * model.width);
      const alpha = model.alpha === undefined ? undefined : new Float32Array(requests.length);
      const parts = embedFaces(requests.length, (at) => requests[at], { embedder, loader });
      for await (const part of parts) {
        rows.set(part.data, part.start * model.width);
        if (part.alpha) alpha?.set(part.alpha, part.start);
      }
      return { rows, alpha };
    },
    async [Symbol.asyncDispose]() {
      await embedder.close();
      await loader.close();
    },
  };
}

/** A face shown at so many pixels a side; undefined: as it is. */
export const shrinkTo = (pixels: number | undefined): Degradation | undefined =>
  pixels === undefined ? undefined : { kind: "lr", pixels };

/** Requests for the faces of a set, in its order. */
export const requestsIn = (
  data: FaceData,
  degrade: (at: number) => Degradation | undefined = () => undefined,
): ImageRequest[] =>
  Array.from({ length: data.length }, (_, at) => ({
    ...{ source: data.at(at).source, flip: false, degrade: degrade(at) },
  }));

/** Requests for picture files, all of them degraded alike. */
export const requestsOf = (files: readonly string[], degrade?: Degradation): ImageRequest[] =>
  files.map((path) => ({ source: { kind: "file", path }, flip: false, degrade }));

/**
 * Requests for some of LFW's photos, spread evenly over all.
 *
 * @param pixelsOf the low resolution that each is shown at; undefined: as it is
 */
export async function somePhotos(
  count: number,
  pixelsOf: (at: number) => number | undefined = () => undefined,
): Promise<ImageRequest[]> {
  const data = await openData(lfw);
  return requestsIn(subset(data, spread(count, data.length)), (at) => shrinkTo(pixelsOf(at)));
}

/** Faces as 8-bit planes of `size` pixels a side. */
export async function loadPlanes(size: number, requests: readonly ImageRequest[]): Promise<Uint8Array> {
  await using loader = openLoader({ size, threads: 1 });
  return await loader.load(requests);
}
