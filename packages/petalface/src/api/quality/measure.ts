import { itemAt } from "onnx-grad";
import { type FaceData, subset, tallyOf } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { openLoader } from "../../images/index.ts";
import { type SetFindings, spearman } from "../../quality/index.ts";
import { openResources } from "../../resources.ts";
import { type LeftOutOptions, leftOutOf, noteMoreLeftOut, openFaces } from "../data.ts";
import { engineOf } from "../model.ts";
import type { Surroundings } from "../surroundings.ts";
import { drawExamples, type ScoredFace } from "./examples.ts";
import { type Judge, type JudgeOptions, judgeData, openJudges } from "./judges.ts";
import { type Ladder, tryLadders } from "./ladders.ts";
import { type LookedAt, lookAtFaces } from "./set.ts";

/** Which faces to judge, and by what. */
export interface QualityRequest extends JudgeOptions, LeftOutOptions {
  readonly data: string;
  /** Tries the measures on degraded faces too. */
  readonly degraded?: boolean | undefined;
  /** Draws faces at their scores, for a page. */
  readonly examples?: boolean | undefined;
}

/** What one measure found. */
export interface MeasuredQuality extends Pick<Judge, "name" | "calibration"> {
  /** Of each face of the data; NaN where it has none. */
  readonly all: Float32Array;
  /** As `all`, where the measure is calibrated. */
  readonly alphas: Float32Array | undefined;
  /** The scores that are finite. */
  readonly scores: Float32Array;
  /** The alphas that are finite. */
  readonly alpha: Float32Array | undefined;
  /** How many faces have no score. */
  readonly unscored: number;
  /** What training would make of the measure on this set. */
  readonly fit: LookedAt["fits"][number];
  /** Faces from the lowest score to the highest, where they were asked for. */
  readonly examples: readonly ScoredFace[];
}

/** The quality of a set of faces. */
export interface QualityFindings {
  readonly data: FaceData;
  /** In the order in which the measures were named; the first one leads. */
  readonly measures: readonly [MeasuredQuality, ...MeasuredQuality[]];
  /** Spearman's rank correlation of every pair of measures. */
  readonly agreement: readonly (readonly number[])[];
  readonly ladders: readonly Ladder[];
  /** What the set is; undefined where no measure sees pixels. */
  readonly set: SetFindings | undefined;
  readonly leftOut: ReturnType<typeof leftOutOf>;
  /** Decoding included. */
  readonly facesPerSecond: number;
}

/**
 * Judges the quality of every face of a set: `petalface quality`. Throws PetalfaceError where there
 * are no faces, or a measure gives none of them a score.
 */
export async function measureQuality(request: QualityRequest, surroundings: Surroundings): Promise<QualityFindings> {
  const { signal } = surroundings;
  const engine = engineOf(request);
  const data = await openFaces(request.data, request, surroundings);
  if (data.length === 0) throw new PetalfaceError("PETAL_DATA_MISSING", `${request.data} holds no faces`);
  await using open = openResources();
  const { judges, size } = await openJudges(request, engine);
  for (const { embedder } of judges) open.keep(embedder);
  const loader = open.keep(openLoader({ size, threads: engine.threads, faces: data.length }));
  const tally = tallyOf(data);
  const progress = surroundings.progress("judging", data.length, "faces");
  const started = performance.now();
  const watch = { tally, signal, onDone: (done: number) => progress.update(done) };
  const { scores, alphas, usable } = await judgeData(data, judges, loader, watch).finally(() => progress.close());
  const seconds = (performance.now() - started) / 1000;
  const judged = usable.length === data.length ? data : subset(data, usable);
  const ladders =
    request.degraded && judged.length > 0 ? await tryLadders(judged, judges, loader, { tally, signal }) : [];
  // Scores that came with the data need no pixels.
  const seeing = judges.some(({ embedder }) => embedder !== undefined);
  const looked = seeing && judged.length > 0 ? await lookAtFaces(judged, judges, loader, engine, signal) : undefined;
  const examples = request.examples ? await drawExamples({ data, loader, scores, alphas }) : [];
  const [first, ...others] = judges.map(({ name, calibration }, i): MeasuredQuality => {
    const all = itemAt(scores, i);
    const finite = all.filter(Number.isFinite);
    if (finite.length === 0)
      throw new PetalfaceError(
        "PETAL_QUALITY_UNFIT",
        `${name} gave no face a score; ${tally.report().first[0] ?? "is there a column quality?"}`,
      );
    return {
      name,
      calibration,
      all,
      alphas: alphas[i],
      scores: finite,
      fit: looked?.fits[i],
      alpha: alphas[i]?.filter(Number.isFinite),
      unscored: all.length - finite.length,
      examples: examples[i] ?? [],
    };
  });
  if (first === undefined) throw new PetalfaceError("PETAL_OPTION_INVALID", "no measure was named");
  const left = tally.report();
  noteMoreLeftOut(data, left, surroundings);
  return {
    data,
    measures: [first, ...others],
    agreement: agreementOf(scores),
    ladders,
    set: looked?.set,
    leftOut: leftOutOf(data, left),
    facesPerSecond: data.length / seconds,
  };
}

/** Spearman's rank correlation of every pair, on the faces that all of them scored. */
function agreementOf(scores: readonly Float32Array[]): number[][] {
  const faces = [...(scores[0]?.keys() ?? [])].filter((face) => scores.every((own) => Number.isFinite(own[face])));
  const common = scores.map((own) => Float32Array.from(faces, (face) => itemAt(own, face)));
  return common.map((one) => common.map((other) => spearman(one, other)));
}
