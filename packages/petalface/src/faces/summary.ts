import { itemAt } from "onnx-grad";
import type { Batch } from "./batches.ts";
import { isFailure } from "./record.ts";

/** What a run of aligning did. */
export interface AlignSummary {
  readonly manifest: string;
  /** Photos and videos. */
  readonly sources: number;
  /** Those of them that an earlier run had done. */
  readonly reused: number;
  readonly crops: number;
  readonly aligned: number;
  /** Crops of aligned faces that no try was sure of. */
  readonly weak: number;
  /** Crops of aligned faces whose photo was rotated. */
  readonly turned: number;
  /** Centred squares. */
  readonly fallback: number;
  /** Crops that come from several faces of one photo. */
  readonly several: number;
  /**
   * Quantiles of the effective resolution of aligned faces, in pixels; undefined where there are
   * none.
   */
  readonly resolution: { readonly low: number; readonly median: number; readonly high: number } | undefined;
  readonly unreadable: { readonly count: number; readonly first: readonly string[] };
}

/** Unreadable files that are named. */
const named = 5;
/** Resolutions are counted by whole pixels up to this. */
const mostPixels = 4096;

/** Counts batches; its memory does not grow with them. */
export function createSummary() {
  const pixels = new Float64Array(mostPixels + 1);
  const first: string[] = [];
  let [sources, reused, crops, aligned, weak, turned, several, failures] = [0, 0, 0, 0, 0, 0, 0, 0];
  const quantile = (share: number): number => {
    let below = 0;
    return pixels.findIndex((count) => {
      below += count;
      return below >= share * aligned;
    });
  };
  return {
    sources: (): number => sources,
    add(batch: Batch): void {
      sources += batch.sources;
      if (batch.reused) reused += batch.sources;
      for (const line of batch.lines) {
        if (isFailure(line)) {
          failures++;
          if (first.length < named) first.push(line.error);
          continue;
        }
        crops++;
        if (line.faces > 1) several++;
        if (!line.aligned) continue;
        aligned++;
        if (line.weak) weak++;
        if (line.rotation !== 0) turned++;
        const bin = Math.min(Math.round(line.resolution), mostPixels);
        pixels[bin] = itemAt(pixels, bin) + 1;
      }
    },
    report: (manifest: string): AlignSummary => ({
      manifest,
      sources,
      reused,
      crops,
      aligned,
      weak,
      turned,
      several,
      fallback: crops - aligned,
      resolution: aligned === 0 ? undefined : { low: quantile(0.05), median: quantile(0.5), high: quantile(0.95) },
      unreadable: { count: failures, first },
    }),
  };
}
