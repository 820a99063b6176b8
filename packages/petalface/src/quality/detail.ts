import { openEmbedder } from "../backbones/index.ts";
import type { ImageRequest, Loader } from "../images/index.ts";
import type { SessionOptions } from "../runtime/index.ts";
import { qualityGraph } from "./alpha.ts";
import { plainModel } from "./plain-model.ts";
import { resolution } from "./resolution.ts";

/**
 * Detail of a sharp photo at 112 px: the effective resolution that all but 5 % of LFW's photos
 * reach.
 */
const sharpPixels = 62.5;

/**
 * The effective resolution that all but 5 % of sharp photos reach, in pixels a side.
 *
 * @param size side of the network's input in pixels, which no face has more detail than
 */
export const sharpResolution = (size: number): number => sharpPixels * Math.min(1, size / 112);

/** Faces that one call judges. */
const atOnce = 32;

/**
 * Effective resolution of faces in pixels a side: how many they had before they were enlarged, read
 * off their spectrum. Needs no face recogniser.
 *
 * @param size side in pixels at which `loader` prepares faces
 * @returns one number a face; undefined where the picture cannot be read
 */
export async function effectiveResolution(
  faces: readonly ImageRequest[],
  { loader, size, engine }: { loader: Pick<Loader, "load">; size: number; engine?: SessionOptions | undefined },
  signal?: AbortSignal,
): Promise<(number | undefined)[]> {
  const plain = plainModel(size);
  const { graph, score } = qualityGraph(plain, resolution);
  const judge = await openEmbedder({ ...plain, graph, output: score, width: 1 }, { ...engine, batch: atOnce });
  try {
    const found: (number | undefined)[] = [];
    for (let start = 0; start < faces.length; start += atOnce) {
      signal?.throwIfAborted();
      const part = faces.slice(start, start + atOnce);
      const unreadable = new Set<number>();
      const planes = await loader.load(part, (index) => unreadable.add(index));
      const { data } = await judge.embed(planes, part.length);
      part.forEach((_, i) => {
        found.push(unreadable.has(i) ? undefined : data[i]);
      });
    }
    return found;
  } finally {
    await judge.close();
  }
}
