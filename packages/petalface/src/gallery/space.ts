import { createHash } from "node:crypto";
import { type Adapter, adapterHash, closesOnSharp } from "../adapters/index.ts";
import type { Backbone } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import type { Calibration } from "../quality/index.ts";
import type { EmbeddingRecord, EmbeddingSpace, ModelSource } from "./record.ts";

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
