import { itemAt } from "onnx-grad";
import type { FaceData } from "../../data/index.ts";
import { encodeSmallJpeg, type Loader } from "../../images/index.ts";

/** A face at its score. */
export interface ScoredFace {
  readonly name: string;
  readonly score: number;
  readonly alpha?: number | undefined;
  /** `data:image/jpeg;base64,...`. */
  readonly image: string;
}

/** Faces of each measure, and measures with faces: they bound the size of the page. */
const perMeasure = 12;
const mostMeasures = 4;

/** What gives the examples of a page. */
export interface ExamplesTask {
  readonly data: FaceData;
  readonly loader: Pick<Loader, "load" | "size">;
  /** Of each measure, in the order of `data`. */
  readonly scores: readonly Float32Array[];
  readonly alphas: readonly (Float32Array | undefined)[];
}

/**
 * Faces at their scores, for each of the first four measures: from the lowest score to the highest,
 * evenly spaced in rank. Faces that cannot be read are left out.
 */
export async function drawExamples({ data, loader, scores, alphas }: ExamplesTask): Promise<ScoredFace[][]> {
  const { size } = loader;
  const bytes = 3 * size * size;
  return Promise.all(
    scores.map(async (own, place) => {
      if (place >= mostMeasures) return [];
      const order = [...own.keys()]
        .filter((face) => Number.isFinite(own[face]))
        .sort((a, b) => itemAt(own, a) - itemAt(own, b) || a - b);
      const shown = Math.min(perMeasure, order.length);
      const chosen = Array.from({ length: shown }, (_, i) =>
        itemAt(order, shown === 1 ? 0 : Math.round((i * (order.length - 1)) / (shown - 1))),
      );
      if (chosen.length === 0) return [];
      const unreadable = new Set<number>();
      const requests = chosen.map((face) => ({ source: data.at(face).source, flip: false }));
      const planes = await loader.load(requests, (index) => unreadable.add(index));
      const faces = chosen.map(async (face, i): Promise<ScoredFace | undefined> => {
        if (unreadable.has(i)) return undefined;
        const jpeg = await encodeSmallJpeg(planes.subarray(i * bytes, (i + 1) * bytes), size);
        return {
          name: data.at(face).id,
          score: itemAt(own, face),
          alpha: alphas[place]?.[face],
          image: `data:image/jpeg;base64,${jpeg.toString("base64")}`,
        };
      });
      return (await Promise.all(faces)).filter((face) => face !== undefined);
    }),
  );
}
