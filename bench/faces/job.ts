import type { EvaluationResult } from "petalface/evaluation";
import type { TrainingChoices } from "petalface/training";
import type { Contender } from "./plan.ts";

/** One training and its measurement. */
export interface Job {
  readonly contender: Contender;
  /** File name in the shared weights, or the path of an .onnx file. */
  readonly model: string;
  readonly seed: number;
  /** Training images seen in all. */
  readonly images: number;
  readonly folds: readonly number[];
  readonly threads: number;
  /** How many of the training faces are used, spread over all; all unless given. */
  readonly faces?: number;
  /** Low resolutions to measure; {@link testPixels} unless given. */
  readonly pixels?: readonly number[];
  /** Folder for the run and its result. */
  readonly folder: string;
  /** Folder of the job whose training it reads, instead of one of its own. */
  readonly source?: string;
  /**
   * Folder for what the frozen model makes of faces, kept for all jobs of the model; it is then
   * also measured with the gallery that the frozen model enrolled.
   */
  readonly frozen?: string;
  /** Choices on top of the contender's. */
  readonly options?: TrainingChoices;
  /** As in the context of `adapt`. */
  readonly prefixBytes?: number | undefined;
  readonly onStep?: (() => void) | undefined;
}

/** What a job leaves in its folder. */
export interface JobResult {
  readonly result: EvaluationResult;
  /** Wall time of the training. */
  readonly seconds: number;
  /** Trained numbers. */
  readonly trained: number;
}

/** Folder of the training that a job reads: its own, or that of another job. */
export const trainingFolder = (job: Pick<Job, "folder" | "source">): string => job.source ?? job.folder;
