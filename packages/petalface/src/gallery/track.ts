import { itemAt } from "onnx-grad";
import { addScaled, normaliseRows, poolTemplates, rowsOf } from "../matching/index.ts";
import { cosineWith } from "./gate.ts";
import { qualityWeight } from "./templates.ts";
import type { FaceEmbedding } from "./types.ts";

/** Several frames of one face as one probe. */
export interface Track {
  /** Unit embedding. */
  readonly unit: Float32Array;
  /** Mean alpha of the frames that count, weighted as they are. */
  readonly alpha: number;
  /** Numbers of the frames that count. */
  readonly used: readonly number[];
}

/** Frames this much poorer than the best one are left out: they blur what the others say. */
const poorer = 0.5;

/**
 * Joins frames of one face: the mean of their unit embeddings, weighted by quality. Frames far
 * poorer than the best one do not count, nor those that point away from the mean of all (cosine
 * below 0: another face, or none).
 *
 * @param frames at least one
 */
export async function joinTrack(frames: readonly FaceEmbedding[]): Promise<Track> {
  const width = frames[0]?.vector.length ?? 0;
  const units = frames.map(({ vector }) => normaliseRows(vector, width));
  const best = Math.max(...frames.map(({ alpha }) => alpha));
  const good = [...frames.keys()].filter((frame) => itemAt(frames, frame).alpha >= best - poorer);
  const sum = new Float32Array(width);
  for (const frame of good) addScaled(sum, itemAt(units, frame));
  const agreeing = good.filter((frame) => !(cosineWith(itemAt(units, frame), sum) < 0));
  const used = agreeing.length > 0 ? agreeing : good;
  const weight = Float32Array.from(used, (frame) => qualityWeight(itemAt(frames, frame).alpha));
  const rows = new Float32Array(used.length * width);
  used.forEach((frame, at) => {
    rows.set(itemAt(units, frame), at * width);
  });
  const unit = await poolTemplates(rowsOf(rows, width), {
    templates: 1,
    template: new Int32Array(used.length),
    media: Int32Array.from(used.keys()),
    weight,
  });
  const total = weight.reduce((all, value) => all + value, 0);
  const alpha = used.reduce((all, frame, at) => all + itemAt(weight, at) * (frames[frame]?.alpha ?? 0), 0) / total;
  return { unit, alpha, used };
}
