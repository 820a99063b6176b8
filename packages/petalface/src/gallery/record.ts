import { PetalfaceError } from "../errors.ts";
import type { ModelChoices, Preprocessing } from "../models/index.ts";
import type { Calibration } from "../quality/index.ts";

/** In which space embeddings lie: two that differ in any of this cannot be compared. */
export interface EmbeddingSpace {
  /** SHA-256 of everything below but the model's name, hex. */
  readonly id: string;
  readonly model: string;
  /** SHA-256 of the frozen backbone. */
  readonly sha256: string;
  readonly preprocessing: Preprocessing;
  /** Side of the input in pixels. */
  readonly size: number;
  /** Name of the output that is the embedding. */
  readonly output: string;
  /** Numbers of an embedding. */
  readonly width: number;
  /** What faces are aligned to. */
  readonly template: "arcface";
  /** Hash of the adapter, where it changes the embeddings of sharp faces too. */
  readonly adapter: string | null;
}

/**
 * How the faces of a gallery were embedded: the space, the adapter within it, and how alpha is
 * judged.
 */
export interface EmbeddingRecord {
  readonly space: EmbeddingSpace;
  /** Hash of the adapter, of any kind; null for the frozen model. */
  readonly adapter: string | null;
  /** How a face becomes alpha; null where nothing says it, and alpha then is 1. */
  readonly calibration: Calibration | null;
  /** Where model and adapter were, so that they need not be named again. */
  readonly source: ModelSource;
}

/**
 * Whether two records are of one way of embedding; where the files of the models are does not
 * matter.
 */
export const isSameModel = (one: EmbeddingRecord, other: EmbeddingRecord): boolean =>
  JSON.stringify([one.space.id, one.adapter, one.calibration]) ===
  JSON.stringify([other.space.id, other.adapter, other.calibration]);

/** The error of a migration that another one has taken the place of. */
export const givenUp = (path: string): PetalfaceError =>
  new PetalfaceError(
    "PETAL_BUSY",
    `${path} has begun to move to another model meanwhile, and this move was given up; the old model is still in use`,
  );

/** Where a model is, as it was given: absolute paths, or the name of a known model. */
export interface ModelSource {
  readonly model: string;
  readonly adapter: string | null;
  readonly choices: ModelChoices;
}

/** The record of a model as a store keeps it: JSON of {@link EmbeddingRecord}. */
export const parseRecord = (text: string): EmbeddingRecord => JSON.parse(text) as EmbeddingRecord;
