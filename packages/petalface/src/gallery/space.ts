import { createHash } from "node:crypto";
import { type Adapter, adapterHash, closesOnSharp } from "../adapters/index.ts";
import type { Backbone } from "../backbones/index.ts";
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

/**
 * Whether faces of alpha 1 have the frozen model's embedding, bit for bit, under this adapter: a
 * gallery then stays in its space.
 */
export function keepsSharp({ config }: Adapter): boolean {
  const { method, gate, ungated = [], batchNorm, calibration } = config;
  const clamped = calibration.kind === undefined || calibration.kind === "linear";
  return method === "lora" && closesOnSharp(gate) && ungated.length === 0 && batchNorm === undefined && clamped;
}

/** What a gallery notes of the model that it is made with. */
export function embeddingRecord(
  backbone: Backbone,
  adapter: Adapter | undefined,
  calibration: Calibration | undefined,
  source: ModelSource,
): EmbeddingRecord {
  const { name, sha256, mean, scale, channels } = backbone.spec;
  const own = adapter === undefined ? null : adapterHash(adapter);
  const identity = {
    sha256,
    preprocessing: { mean, scale, channels },
    size: backbone.size,
    output: backbone.output,
    width: backbone.width,
    template: "arcface" as const,
    adapter: adapter === undefined || keepsSharp(adapter) ? null : own,
  };
  const id = createHash("sha256").update(JSON.stringify(identity)).digest("hex");
  return { space: { id, model: name, ...identity }, adapter: own, calibration: calibration ?? null, source };
}

/**
 * Refuses a model whose embeddings cannot be compared with those of a gallery.
 *
 * @throws PetalfaceError that says what differs and what to do
 */
export function refuseOtherSpace(path: string, gallery: EmbeddingSpace, given: EmbeddingSpace): void {
  if (gallery.id === given.id) return;
  throw new PetalfaceError(
    "PETAL_GALLERY_MISMATCH",
    `${path} belongs to another embedding space: ${differenceOf(gallery, given)}; give the gallery's own model, or change it with petalface gallery migrate`,
  );
}

function differenceOf(gallery: EmbeddingSpace, given: EmbeddingSpace): string {
  if (gallery.sha256 !== given.sha256)
    return `it was made with ${gallery.model} (sha256 ${gallery.sha256.slice(0, 12)}), not with ${given.model} (sha256 ${given.sha256.slice(0, 12)})`;
  if (gallery.adapter !== given.adapter)
    return gallery.adapter === null
      ? "this adapter also changes sharp faces, and the gallery's embeddings are those of the frozen model"
      : "it was made with an adapter that also changes sharp faces, and this is another one or none";
  if (gallery.size !== given.size) return `its faces had ${gallery.size} px a side, and these have ${given.size}`;
  if (gallery.output !== given.output) return `its embedding is output "${gallery.output}", and here "${given.output}"`;
  return "the model was fed in another way ('normalize', 'channels')";
}

/** The record of a model as a store keeps it: JSON of {@link EmbeddingRecord}. */
export const parseRecord = (text: string): EmbeddingRecord => JSON.parse(text) as EmbeddingRecord;
