import { PetalfaceError } from "../errors.ts";
import { galleryBlock, type Matcher, type ScoreBlock, scanBlocks } from "./matcher.ts";
import type { RowSource, WorkOptions } from "./rows.ts";
import { createTopK, type TopK } from "./top-k.ts";

/** Probes and a gallery. */
export interface IdentificationTask {
  /** Unit rows, in memory. */
  readonly probes: Float32Array;
  /** The person of each probe, from 0. */
  readonly probeLabels: Int32Array;
  readonly gallery: RowSource;
  /** The person of each gallery row; -1 for a distractor, who has no mate. */
  readonly galleryLabels: Int32Array;
  /** Of each probe the gallery row that is left out because it is the probe itself, or -1. */
  readonly skip?: Int32Array | undefined;
  /** How many of the most similar gallery rows to list; none unless given. */
  readonly top?: number | undefined;
}

/** What became of each probe. All arrays have one entry a probe. */
export interface Identification {
  /**
   * Best score of a mate, and its gallery row (the lowest of equals); -Infinity and -1 where the
   * gallery holds none.
   */
  readonly mate: Float32Array;
  readonly mateRow: Int32Array;
  /**
   * Best score of anybody else, and its gallery row (the lowest of equals); -Infinity and -1 where
   * there is none.
   */
  readonly other: Float32Array;
  readonly otherRow: Int32Array;
  /**
   * Gallery rows of others that score above the best mate, and those that score exactly the same. 0
   * without a mate.
   */
  readonly higher: Int32Array;
  readonly equal: Int32Array;
  /** 1 + higher + equal: a tie is lost. 0 for a probe without a mate. */
  readonly rank: Int32Array;
  readonly top?: TopK | undefined;
}

/**
 * Compares every probe with the whole gallery: exact ranks of the best mates, best scores of mates
 * and others, and the most similar rows. Memory holds a few blocks and what is returned; scores are
 * the engine's float32 products.
 *
 * Ranks count gallery rows of other people, as the field's evaluators do: one stranger with two
 * photos above the mate costs two ranks.
 */
export async function identify(
  matcher: Matcher,
  task: IdentificationTask,
  options: WorkOptions = {},
): Promise<Identification> {
  const { probes, probeLabels, gallery, galleryLabels, skip } = task;
  const count = probeLabels.length;
  if (
    gallery.width !== matcher.width ||
    probes.length !== count * matcher.width ||
    galleryLabels.length !== gallery.count
  )
    throw new PetalfaceError(
      "PETAL_ARGUMENT_INVALID",
      `cannot match: rows of ${matcher.width} and ${gallery.width} numbers, ${count} probe labels for ${probes.length / matcher.width} probes, ${galleryLabels.length} gallery labels for ${gallery.count} faces`,
    );
  const { mate, mateRow } = await bestMates(matcher, task, options.signal);
  const other = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
  const otherRow = new Int32Array(count).fill(-1);
  const higher = new Int32Array(count);
  const equal = new Int32Array(count);
  const top = task.top === undefined ? undefined : createTopK(count, task.top);

  const visit = ({ firstProbe, probes: rows, firstFace, faces, scores }: ScoreBlock): void => {
    for (let row = 0; row < rows; row++) {
      const probe = firstProbe + row;
      const label = probeLabels[probe];
      const own = skip === undefined ? -1 : skip[probe] - firstFace;
      const goal = mate[probe];
      const hasMate = mateRow[probe] !== -1;
      let best = other[probe];
      let bestRow = otherRow[probe];
      let above = 0;
      let tied = 0;
      // Nothing below this can change anything.
      let floor = hasMate ? Math.min(best, goal) : best;
      const start = row * galleryBlock;
      for (let face = 0; face < faces; face++) {
        const score = scores[start + face];
        if (score < floor || face === own) continue;
        if (galleryLabels[firstFace + face] === label) continue;
        if (hasMate && score >= goal) {
          if (score > goal) above++;
          else tied++;
        }
        if (score > best) {
          best = score;
          bestRow = firstFace + face;
          floor = hasMate ? Math.min(best, goal) : best;
        }
      }
      other[probe] = best;
      otherRow[probe] = bestRow;
      higher[probe] += above;
      equal[probe] += tied;
      top?.offer(probe, scores, start, faces, firstFace, own);
    }
  };
  await scanBlocks(matcher, probes, gallery, visit, options);
  const rank = Int32Array.from(mateRow, (found, probe) => (found === -1 ? 0 : 1 + higher[probe] + equal[probe]));
  return { mate, mateRow, other, otherRow, higher, equal, rank, top: top?.finish() };
}

/**
 * The best mate of each probe, before the scan, which then needs to keep no list: probes are taken
 * person by person, and the gallery rows of those people are gathered into blocks.
 */
async function bestMates(
  matcher: Matcher,
  { probes, probeLabels, gallery, galleryLabels, skip }: IdentificationTask,
  signal: AbortSignal | undefined,
): Promise<Pick<Identification, "mate" | "mateRow">> {
  const { width, probes: probeBlock } = matcher;
  const count = probeLabels.length;
  const mate = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
  const mateRow = new Int32Array(count).fill(-1);
  const rowsOfPerson = new Map<number, number[]>();
  for (const label of probeLabels) if (label >= 0) rowsOfPerson.set(label, []);
  galleryLabels.forEach((label, row) => {
    rowsOfPerson.get(label)?.push(row);
  });
  const mated = [...probeLabels.keys()].filter((probe) => (rowsOfPerson.get(probeLabels[probe])?.length ?? 0) > 0);
  mated.sort((a, b) => probeLabels[a] - probeLabels[b] || a - b);

  for (let from = 0; from < mated.length; from += probeBlock) {
    const block = mated.slice(from, from + probeBlock);
    const left = new Float32Array(probeBlock * width);
    block.forEach((probe, row) => {
      left.set(probes.subarray(probe * width, (probe + 1) * width), row * width);
    });
    const rows = [...new Set(block.map((probe) => probeLabels[probe]))]
      .flatMap((label) => rowsOfPerson.get(label) ?? [])
      .sort((a, b) => a - b);
    for (let start = 0; start < rows.length; start += galleryBlock) {
      signal?.throwIfAborted();
      const part = rows.slice(start, start + galleryBlock);
      const scores = await matcher.multiply(left, await gather(gallery, part));
      block.forEach((probe, row) => {
        part.forEach((face, column) => {
          if (galleryLabels[face] !== probeLabels[probe] || skip?.[probe] === face) return;
          const score = scores[row * galleryBlock + column];
          if (score > mate[probe]) {
            mate[probe] = score;
            mateRow[probe] = face;
          }
        });
      });
    }
  }
  return { mate, mateRow };
}

/** Copies the named rows, in rising order, into one block. Runs of neighbours are read at once. */
async function gather(source: RowSource, rows: readonly number[]): Promise<Float32Array> {
  const out = new Float32Array(galleryBlock * source.width);
  for (let from = 0; from < rows.length; ) {
    let to = from + 1;
    while (to < rows.length && rows[to] === rows[to - 1] + 1) to++;
    out.set(await source.read(rows[from], to - from), from * source.width);
    from = to;
  }
  return out;
}
