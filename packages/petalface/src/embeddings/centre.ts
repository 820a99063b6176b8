import { type Adapter, adaptedModel, requireGateToCentre } from "../adapters/index.ts";
import { type Backbone, openEmbedder } from "../backbones/index.ts";
import type { FaceData } from "../data/index.ts";
import { PetalfaceError } from "../errors.ts";
import { openLoader } from "../images/index.ts";
import type { SessionOptions } from "../runtime/index.ts";
import { embedFaces } from "./divided.ts";
import type { LeftFace } from "./embed.ts";

/** An adapter that is centred on a camera's crops. */
export interface Centred {
  readonly adapter: Adapter;
  /** Crops that were used, and how many of them were of low resolution (alpha below 1). */
  readonly crops: number;
  readonly low: number;
  /** Length of the crops' mean embedding before, in mean lengths of one embedding; 0 to 1. */
  readonly shift: number;
}

/** With fewer crops of low resolution their mean is chance. */
export const fewestCrops = 20;

/** What surrounds the work without changing its result. */
export interface CentreContext {
  readonly session?: SessionOptions | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called for each crop that cannot be used; it may throw. Without it the first one ends the work.
   */
  readonly onLeft?: ((index: number, left: LeftFace) => void) | undefined;
  readonly onProgress?: ((crops: number) => void) | undefined;
}

/**
 * Centres an adapter on unlabelled crops of a camera: all its low-resolution embeddings share a
 * displacement, which says nothing about people. The shift c minimises the sum of
 * |f(x) + (1 - alpha(x)) c|^2 over the crops, so that faces with alpha 1 keep their embedding. An
 * earlier centring is replaced.
 *
 * @param crops aligned faces of the camera, of many people
 * @throws PetalfaceError where the adapter's gate is open on sharp faces, or fewer than
 *   {@link fewestCrops} crops have alpha below 1
 */
export async function centreAdapter(
  backbone: Backbone,
  { config, theta, statistics }: Adapter,
  crops: FaceData,
  { session, signal, onLeft, onProgress }: CentreContext = {},
): Promise<Centred> {
  requireGateToCentre(config);
  const { centre: _, ...plain } = config;
  const before: Adapter = { config: plain, theta, ...(statistics && { statistics }) };
  await using loader = openLoader({ size: backbone.size, threads: 1, faces: crops.length });
  const embedder = await openEmbedder(adaptedModel(backbone, before), { ...session });
  const { width } = backbone;
  const sum = new Float64Array(width);
  const [total, found] = [
    { weight: 0, length: 0 },
    { crops: 0, low: 0 },
  ];
  const request = (index: number) => {
    const { source, quality } = crops.at(index);
    return { source, flip: false, ...(quality !== undefined && { quality }) };
  };
  try {
    for await (const part of embedFaces(crops.length, request, { embedder, loader, signal, onLeft })) {
      for (let row = 0; row < part.count; row++) {
        if (part.left.includes(row)) continue;
        const weight = 1 - (part.alpha?.[row] ?? 1);
        found.crops++;
        if (!(weight > 0)) continue;
        found.low++;
        const embedding = part.data.subarray(row * width, (row + 1) * width);
        embedding.forEach((value, at) => {
          sum[at] = (sum[at] ?? 0) + weight * value;
        });
        total.weight += weight * weight;
        total.length += Math.hypot(...embedding);
      }
      onProgress?.(part.start + part.count);
    }
  } finally {
    await embedder.close();
  }
  if (found.low < fewestCrops)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${crops.spec}: ${found.low} of ${found.crops} crops have alpha below 1, and centring takes at least ${fewestCrops} low-resolution ones; give crops of the camera, as it makes them`,
    );
  const centre = Float32Array.from(sum, (value) => -value / total.weight);
  const shift = Math.hypot(...centre) / (total.length / found.low);
  return { adapter: { ...before, config: { ...plain, centre } }, ...found, shift };
}
