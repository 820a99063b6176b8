import { itemAt } from "onnx-grad";
import { adaptedModel } from "../../adapters/index.ts";
import { type EmbeddingModel, openEmbedder } from "../../backbones/index.ts";
import { isDrawn, tallyOf } from "../../data/index.ts";
import { type EmbedFacesOptions, embedFaces } from "../../embeddings/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type ImageRequest, openLoader } from "../../images/index.ts";
import { normaliseRows } from "../../matching/index.ts";
import type { OpenValidator, ValidationScore } from "../../training/index.ts";
import { noteMoreLeftOut, openFaces } from "../data.ts";
import type { Surroundings } from "../surroundings.ts";

/** The word that `--val` takes for this measure. */
export const cosineProtocol = "cosine";

/**
 * Opens `--val cosine`: the mean cosine between the adapted embedding of a face shrunk to k px and
 * the frozen embedding of the same face as it is, over all faces and all k. It needs no identities.
 * Its standard error is over people, or over faces where people are unknown.
 *
 * @throws PetalfaceError (wrong usage) without faces
 */
export const cosineValidator =
  (mostLeftOut: number | undefined, context: Surroundings): OpenValidator =>
  async (request, backbone, session) => {
    if (request.data === undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        "'val=cosine' needs faces that training does not use; give them with 'valData'",
      );
    const data = await openFaces(request.data, { mostLeftOut }, context);
    const { width, size } = backbone;
    const loader = openLoader({
      size,
      threads: session.threads ?? 1,
      cacheBytes: 128 * 2 ** 20,
      faces: data.length,
      drawn: isDrawn(data),
    });
    const tally = tallyOf(data);
    tally.tried(data.length);
    const left = new Set<number>();
    let noted = 0;

    /** Unit embeddings of all faces; rows of those that are left out mean nothing. */
    const embed = async (
      model: EmbeddingModel,
      pixels: number | undefined,
      { signal, ranks }: Pick<EmbedFacesOptions, "signal" | "ranks">,
    ) => {
      const embedder = await openEmbedder(model, session);
      const rows = new Float32Array(data.length * width);
      const face = (index: number): ImageRequest => {
        const { source, quality } = data.at(index);
        return { source, flip: false, degrade: pixels === undefined ? undefined : { kind: "lr", pixels }, quality };
      };
      const onLeft = (
        index: number,
        { message, kind }: { message: string; kind: "unreadable" | "notFinite" },
      ): void => {
        if (!left.has(index)) tally.bad(message, kind);
        left.add(index);
      };
      try {
        for await (const part of embedFaces(data.length, face, { embedder, loader, signal, ranks, onLeft })) {
          for (const row of part.left) part.data.fill(0, row * width, (row + 1) * width);
          rows.set(normaliseRows(part.data, width), part.start * width);
        }
      } finally {
        await embedder.close();
      }
      return rows;
    };

    let frozen: Promise<Float32Array> | undefined;
    return {
      measure: `mean cosine (x 100) of faces at ${request.pixels.join(", ")} px to their own frozen embedding`,
      fingerprint: `${cosineProtocol}-${data.fingerprint}`,
      async evaluate(adapter, signal, ranks) {
        frozen ??= embed(backbone, undefined, { signal, ranks });
        const targets = await frozen;
        const model = adaptedModel(backbone, adapter);
        const sums = new Float64Array(data.length);
        const bySize = new Map<number, Float64Array>();
        for (const pixels of request.pixels) {
          const rows = await embed(model, pixels, { signal, ranks });
          const cosines = new Float64Array(data.length);
          for (let i = 0; i < rows.length; i++) {
            const place = Math.floor(i / width);
            cosines[place] = itemAt(cosines, place) + itemAt(rows, i) * itemAt(targets, i);
          }
          bySize.set(pixels, cosines);
          for (const [place, cosine] of cosines.entries()) sums[place] = itemAt(sums, place) + cosine;
        }
        if (left.size > noted) noteMoreLeftOut(data, tally.report(), context);
        noted = left.size;
        const used = [...sums.keys()].filter((place) => !left.has(place));
        const score = meanOverPeople(
          used.map((place) => itemAt(sums, place) / request.pixels.length),
          used.map((place) => data.at(place).person),
        );
        if (bySize.size < 2) return score;
        const mean = (cosines: Float64Array): number =>
          used.reduce((sum, place) => sum + itemAt(cosines, place), 0) / used.length;
        const parts = [...bySize].map(([pixels, cosines]): [string, number] => [`${pixels} px`, mean(cosines)]);
        return { ...score, parts: Object.fromEntries(parts) };
      },
      leftOut: () => (left.size > 0 ? tally.report() : undefined),
      close: () => loader.close(),
    };
  };

/**
 * Mean of some values and its standard error, where values of one person go together.
 *
 * @param person of each value; below 0 where it is unknown, and the value stands alone
 */
export function meanOverPeople(values: readonly number[], person: readonly number[]): ValidationScore {
  const value = values.reduce((sum, each) => sum + each, 0) / values.length;
  const deviations = new Map<number, number>();
  values.forEach((each, place) => {
    const who = itemAt(person, place);
    const group = who < 0 ? -1 - place : who;
    deviations.set(group, (deviations.get(group) ?? 0) + each - value);
  });
  const groups = deviations.size;
  const squares = [...deviations.values()].reduce((sum, deviation) => sum + deviation ** 2, 0);
  const scale = groups > 1 ? groups / (groups - 1) : Number.NaN;
  return { value, standardError: Math.sqrt(scale * squares) / values.length };
}
