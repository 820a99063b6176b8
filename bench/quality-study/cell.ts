import type { EvaluationResult } from "petalface/evaluation";
import type { JobResult } from "../faces/run.ts";

/** One finished training, or the frozen model. */
export interface Cell {
  readonly measure: string;
  readonly seed: number;
  readonly done: JobResult;
  /** The same on synthetic people, once measured. */
  readonly synthetic?: EvaluationResult | undefined;
}
