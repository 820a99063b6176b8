import { openEmbedder } from "../../backbones/index.ts";
import type { FaceData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { Degradation, Loader } from "../../images/index.ts";
import {
  type Calibration,
  calibrateOnScores,
  calibrateOnSet,
  lookAtSet,
  measureOf,
  plainModel,
  qualityGraph,
  type SetFindings,
} from "../../quality/index.ts";
import { mildestDraw, trainingOptions } from "../../training/index.ts";
import type { Engine } from "../model.ts";
import { type Judge, judgedAtOnce } from "./judges.ts";

/** Faces that are looked at, at most. */
const most = 256;

/** A set as `petalface adapt` would find it. */
export interface LookedAt {
  readonly set: SetFindings;
  /**
   * By judge: the range that would be fitted on it, or why there would be none. Undefined where an
   * adapter brought its own.
   */
  readonly fits: readonly ({ readonly fitted: Calibration } | { readonly reason: string } | undefined)[];
}

/**
 * Finds out whether a set's faces are sharp, blurred or both, and which range each measure would
 * get on it.
 */
export async function lookAtFaces(
  data: FaceData,
  judges: readonly Judge[],
  loader: Loader,
  engine: Engine,
  signal: AbortSignal,
): Promise<LookedAt> {
  const count = Math.min(most, data.length);
  const faces = Array.from({ length: count }, (_, i) => data.at(Math.floor((i * data.length) / count)));
  const plain = plainModel(loader.size);
  const { graph, score } = qualityGraph(plain, measureOf("resolution"));
  const resolution = await openEmbedder(
    { ...plain, graph, output: score, width: 1 },
    { ...engine, batch: judgedAtOnce },
  );
  const seeing = [resolution, ...judges.flatMap(({ embedder }) => embedder ?? [])];
  /** Scores by everyone who sees: resolution first. */
  const scores = async (degrade: Degradation | undefined): Promise<number[][]> => {
    const all = seeing.map((): number[] => []);
    for (let start = 0; start < count; start += judgedAtOnce) {
      signal.throwIfAborted();
      const part = faces.slice(start, start + judgedAtOnce);
      const planes = await loader.load(part.map(({ source }) => ({ source, flip: false, degrade })));
      for (const [place, embedder] of seeing.entries())
        all[place]?.push(...(await embedder.embed(planes, part.length)).data);
    }
    return all;
  };
  try {
    const [details = [], ...stored] = await scores(undefined);
    const [worse = [], ...copies] = await scores(mildestDraw(trainingOptions()));
    const set = lookAtSet(details, worse, loader.size);
    let next = 0;
    const fits = judges.map((judge) => {
      const place = judge.embedder === undefined ? undefined : next++;
      if (judge.calibration !== undefined) return undefined;
      try {
        if (place === undefined) {
          const given = faces.map(({ quality = Number.NaN }) => quality);
          return { fitted: calibrateOnScores(judge, given, details, set) };
        }
        const both = { stored: stored[place] ?? [], copies: copies[place] ?? [] };
        return { fitted: calibrateOnSet(judge, both, details, set) };
      } catch (error) {
        if (!(error instanceof PetalfaceError)) throw error;
        return { reason: error.message };
      }
    });
    return { set, fits };
  } finally {
    await resolution.close();
  }
}
