import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { galleryBlock, type Matcher, type ScoreBlock, scanBlocks } from "./matcher.ts";
import { allowedImpostors, type OperatingPoint } from "./rates.ts";
import type { RowSource, WorkOptions } from "./rows.ts";

/** Faces that are compared all with all. */
export interface MatrixTask {
  /** Unit rows, in memory. */
  readonly probes: Float32Array;
  readonly probeLabels: Int32Array;
  readonly gallery: RowSource;
  /** -1 has no mate. */
  readonly galleryLabels: Int32Array;
  /** Both sides are the same rows: each pair counts once, and no face is compared with itself. */
  readonly symmetric?: boolean;
}

/** All comparisons of a {@link MatrixTask}. */
export interface MatrixRates {
  readonly points: readonly OperatingPoint[];
  readonly genuine: number;
  readonly impostor: number;
}

/**
 * Scores are counted by the upper, then by the lower half of the 32 bits of their order-preserving
 * spelling.
 */
const bins = 65536;

/**
 * Exact true accept rates over every pair of a probe and a gallery face, without keeping a score:
 * one scan counts all scores in 65,536 bins by the upper half of their bits, a second one counts
 * the few bins in which the thresholds lie by the lower half. Memory does not grow with the number
 * of pairs; time is two products of the matrices.
 */
export async function matrixTar(
  matcher: Matcher,
  task: MatrixTask,
  fars: readonly number[],
  options: WorkOptions = {},
): Promise<MatrixRates> {
  const { probes, probeLabels, gallery, galleryLabels, symmetric = false } = task;
  if (probes.length !== probeLabels.length * matcher.width || galleryLabels.length !== gallery.count)
    throw new PetalfaceError("PETAL_ARGUMENT_INVALID", "labels do not fit the rows of a comparison of all with all");
  const coarse = [new Float64Array(bins), new Float64Array(bins)] as const;
  const scan = (count: (key: number, same: 0 | 1) => void, half: 0 | 1): Promise<void> => {
    const visit = ({ firstProbe, probes: rows, firstFace, faces, scores }: ScoreBlock): void => {
      const bits = new Uint32Array(scores.buffer, scores.byteOffset, scores.length);
      for (let row = 0; row < rows; row++) {
        const probe = firstProbe + row;
        const label = probeLabels[probe];
        const from = symmetric ? Math.max(0, probe + 1 - firstFace) : 0;
        for (let face = from; face < faces; face++) {
          const other = galleryLabels[firstFace + face];
          count(orderedBits(bits[row * galleryBlock + face]), other === label && label >= 0 ? 1 : 0);
        }
      }
    };
    const onProgress = options.onProgress && ((share: number) => options.onProgress?.((half + share) / 2));
    return scanBlocks(matcher, probes, gallery, visit, { signal: options.signal, onProgress });
  };

  await scan((key, same) => {
    const counts = coarse[same];
    const bin = key >>> 16;
    counts[bin] += 1;
  }, 0);
  const [impostor, genuine] = coarse.map((counts) => counts.reduce((sum, count) => sum + count, 0));
  const goals = fars.map((far) => ({ far, allowed: allowedImpostors(far, impostor) }));
  const hit = goals.map(({ allowed }) => binBelow(coarse[0], allowed));

  const slots = new Int16Array(bins).fill(-1);
  const wanted = [...new Set(hit.map(({ bin }) => bin))].filter((bin) => bin !== -1);
  wanted.forEach((bin, slot) => {
    slots[bin] = slot;
  });
  const fine = wanted.map(() => [new Float64Array(bins), new Float64Array(bins)] as const);
  await scan((key, same) => {
    const slot = slots[key >>> 16];
    if (slot === -1) return;
    const counts = itemAt(fine, slot)[same];
    const low = key & 0xffff;
    counts[low] += 1;
  }, 1);

  const points = goals.map(({ far, allowed }, index): OperatingPoint => {
    const { bin, before } = itemAt(hit, index);
    if (genuine === 0 || impostor === 0) return { far, tar: Number.NaN, above: Number.NaN, allowed };
    if (bin === -1) return { far, tar: 1, above: Number.NEGATIVE_INFINITY, allowed };
    const [impostors, mates] = itemAt(fine, slots[bin]);
    const low = binBelow(impostors, allowed - before).bin;
    let accepted = 0;
    for (let above = bin + 1; above < bins; above++) accepted += coarse[1][above];
    for (let above = low + 1; above < bins; above++) accepted += mates[above];
    return { far, tar: accepted / genuine, above: fromOrderedBits(bin * bins + low), allowed };
  });
  return { points, genuine, impostor };
}

/**
 * The highest bin at which more than `allowed` have been counted from the top, and how many lie
 * above it; -1 where never.
 */
function binBelow(counts: Float64Array, allowed: number): { readonly bin: number; readonly before: number } {
  let before = 0;
  for (let bin = bins - 1; bin >= 0; bin--) {
    if (before + counts[bin] > allowed) return { bin, before };
    before += counts[bin];
  }
  return { bin: -1, before };
}

/**
 * Turns the bits of a float32 into a whole number that grows with its value; both zeros are one.
 */
function orderedBits(bits: number): number {
  if (bits === 0x80000000) return 0x80000000;
  return (bits & 0x80000000) !== 0 ? ~bits >>> 0 : (bits | 0x80000000) >>> 0;
}

function fromOrderedBits(key: number): number {
  const bits = new Uint32Array([key >= 0x80000000 ? key - 0x80000000 : ~key >>> 0]);
  return new Float32Array(bits.buffer)[0];
}
