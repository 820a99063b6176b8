/**
 * The most similar gallery rows of each probe: entry `j` of probe `p` at `p * k + j`, by falling
 * score, equal scores by rising row.
 */
export interface TopK {
  readonly k: number;
  /** Gallery rows; -1 where the gallery has fewer than k. */
  readonly rows: Int32Array;
  readonly scores: Float32Array;
}

/** Collects a {@link TopK} while scores stream by in the order of gallery rows. */
export interface TopKCollector {
  /**
   * Scores of one probe against `count` faces from `firstFace`, at `scores[start]` on; the face
   * `skip` of them is left out.
   */
  offer(probe: number, scores: Float32Array, start: number, count: number, firstFace: number, skip: number): void;
  finish(): TopK;
}

/**
 * Sorted insertion: a new score enters below all that are equal to it, so the earlier row stays
 * first.
 */
export function createTopK(probes: number, k: number): TopKCollector {
  const rows = new Int32Array(probes * k).fill(-1);
  const kept = new Float32Array(probes * k).fill(Number.NEGATIVE_INFINITY);
  return {
    offer(probe, scores, start, count, firstFace, skip) {
      const base = probe * k;
      const last = base + k - 1;
      let least = kept[last];
      for (let face = 0; face < count; face++) {
        const score = scores[start + face];
        if (score <= least || face === skip) continue;
        let place = last;
        for (; place > base && kept[place - 1] < score; place--) {
          kept[place] = kept[place - 1];
          rows[place] = rows[place - 1];
        }
        kept[place] = score;
        rows[place] = firstFace + face;
        least = kept[last];
      }
    },
    finish: () => ({ k, rows, scores: kept }),
  };
}
