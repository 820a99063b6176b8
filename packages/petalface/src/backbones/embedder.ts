import { type Graph, setBatch, type Tensor } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import type { ModelSpec } from "../models/index.ts";
import { floatsOf, openSession, type SessionOptions } from "../runtime/index.ts";
import { toInput } from "./pixels.ts";
import type { Embedder, ExternalScores } from "./types.ts";
import { hasBatchRanges } from "./usable.ts";

/** What {@link openEmbedder} needs to know of a graph: a {@link Backbone}, or an adapted one. */
export interface EmbeddingModel {
  /** The file that messages name, where it is one. */
  readonly path?: string | undefined;
  readonly graph: Graph;
  readonly spec: ModelSpec;
  readonly input: string;
  readonly output: string;
  /** Output that holds alpha `[N]`, where the graph judges quality itself. */
  readonly alpha?: string;
  /** Where the graph takes the quality of each face. */
  readonly scores?: ExternalScores | undefined;
  readonly size: number;
  readonly width: number;
  /** Numbers of the weights, those of an adapter not counted; many unless given. */
  readonly parameters?: number | undefined;
}

/** Weights of a network that fit into a processor's caches together with what it makes of faces. */
const fewWeights = 2 ** 23;

/**
 * Faces that are embedded at a time unless something else is asked for. On the CPU what a network
 * makes of so few stays in the caches (docs/speed.md), and little is lost on a last batch that is
 * not full. A network whose weights do not fit reads them once for eight faces. Other providers
 * want more work at once.
 *
 * @param parameters of the network without an adapter, so that both see the same batches
 */
export function facesAtOnce(provider: SessionOptions["provider"], parameters = Number.POSITIVE_INFINITY): number {
  if ((provider ?? "cpu") !== "cpu") return 32;
  return parameters < fewWeights ? 4 : 8;
}

/**
 * Loads a model for embedding faces, `batch` at a time ({@link facesAtOnce} unless given; one where
 * the model finds its 8-bit ranges over the batch).
 */
export async function openEmbedder(
  model: EmbeddingModel,
  options: SessionOptions & { readonly batch?: number } = {},
): Promise<Embedder> {
  const batch = options.batch ?? (hasBatchRanges(model.graph) ? 1 : facesAtOnce(options.provider, model.parameters));
  // Wide convolutions are computed over tiles where the batch is known.
  const graph = setBatch(model.graph, batch);
  const session = await openSession(graph, { name: model.path, ...options });
  return {
    size: model.size,
    width: model.width,
    batch,
    scores: model.scores,
    async embed(pixels, count, scores) {
      if (count < 1 || count > batch || pixels.length < count * 3 * model.size * model.size)
        throw new PetalfaceError(
          "PETAL_ARGUMENT_INVALID",
          `cannot embed ${count} faces of ${pixels.length} bytes; at most ${batch} at a time`,
        );
      if (model.scores !== undefined && scores?.length !== count)
        throw new PetalfaceError(
          "PETAL_QUALITY_UNFIT",
          "this model needs a quality score for each face, and these faces have none: give a manifest with a column quality",
        );
      // A full batch whatever the count: the same rows then give the same bits in every call.
      const feeds: Record<string, Tensor> = { [model.input]: toInput(pixels, count, batch, model.size, model.spec) };
      if (model.scores !== undefined && scores !== undefined) {
        const data = new Float32Array(batch);
        data.set(scores);
        feeds[model.scores.input] = { dtype: "float32", dims: [batch], data };
      }
      const results = await session.run(feeds, "given");
      const data = floatsOf(results, model.output);
      const alpha = model.alpha === undefined ? undefined : floatsOf(results, model.alpha);
      return {
        count,
        width: model.width,
        data: data.subarray(0, count * model.width),
        alpha: alpha?.subarray(0, count),
      };
    },
    close: () => session.close(),
  };
}
