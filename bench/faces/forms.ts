import { join } from "node:path";
import { adaptedModel, loadAdapter, mirroredModel } from "petalface/adapters";
import { type Backbone, type Embedder, openEmbedder } from "petalface/backbones";
import { type Job, trainingFolder } from "./job.ts";

/** Opens what a job measures: the frozen network, the adapted one, or what is made of both. */
export async function openContender(job: Job, backbone: Backbone): Promise<Embedder> {
  const { contender, threads } = job;
  if (contender.options === undefined) return openEmbedder(backbone, { threads });
  const adapter = await loadAdapter(join(trainingFolder(job), "run"), backbone);
  // A single gate and a low one have the same tensors.
  const used =
    contender.form === "gated" ? { ...adapter, config: { ...adapter.config, gate: "low" as const } } : adapter;
  const model = adaptedModel(backbone, used);
  const adapted = await openEmbedder(contender.form === "mirrored" ? mirroredModel(model) : model, { threads });
  return contender.form === "switched" ? switched(await openEmbedder(backbone, { threads }), adapted) : adapted;
}

/**
 * Two networks with a switch: the frozen one's embedding of faces that the adapted one judges sharp
 * (alpha = 1), the adapted one's of all others. Closes both.
 *
 * @throws Error where the adapted network has no alpha, or takes another number of faces at a time
 */
export function switched(frozen: Embedder, adapted: Embedder): Embedder {
  if (frozen.batch !== adapted.batch) throw new Error("the two networks take different numbers of faces at a time");
  return {
    ...adapted,
    async embed(pixels, count, scores) {
      const found = await adapted.embed(pixels, count, scores);
      const { alpha, width } = found;
      if (alpha === undefined) throw new Error("the adapted network does not judge faces");
      if (!alpha.includes(1)) return found;
      const { data: sharp } = await frozen.embed(pixels, count);
      const data = found.data.slice();
      alpha.forEach((value, row) => {
        if (value === 1) data.set(sharp.subarray(row * width, (row + 1) * width), row * width);
      });
      return { ...found, data };
    },
    close: async () => {
      await Promise.all([frozen.close(), adapted.close()]);
    },
  };
}
