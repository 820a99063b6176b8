import { PetalfaceError } from "../errors.ts";
import { galleryBlock, type Matcher } from "./matcher.ts";
import type { WorkOptions } from "./rows.ts";
import { pairScores } from "./scores.ts";

/**
 * Second rows of one block of first rows that are scored before the next are. Bounds the scores in
 * memory to 64 MiB.
 */
const widestBlock = 16 * galleryBlock;

/**
 * Products that the engine forms on two cores in the time of one in JavaScript, roughly. Only the
 * time depends on it.
 */
const engineGain = 40;

/**
 * Scores of listed pairs of rows, in their order, as float32. Where the list is dense, as in the
 * template protocols, the rows it names are multiplied in blocks by the engine and its pairs picked
 * from them; where most of a block would be thrown away, pair by pair. One way for the whole list,
 * so that equal rows give equal scores.
 *
 * @param a, b unit rows of the matcher's width; may be one array.
 * @param first, second rows of `a` and of `b`.
 */
export async function scorePairs(
  matcher: Matcher,
  a: Float32Array,
  b: Float32Array,
  first: Int32Array,
  second: Int32Array,
  { signal, onProgress }: WorkOptions = {},
): Promise<Float32Array> {
  const { width, probes: probeBlock } = matcher;
  if (first.length !== second.length)
    throw new PetalfaceError("PETAL_ARGUMENT_INVALID", `${first.length} first and ${second.length} second rows`);
  const plan = groupByFirst(first, a.length / width);
  const isWanted = new Uint8Array(b.length / width);
  const columnOf = new Int32Array(b.length / width);
  if (second.some((row) => row < 0 || row >= isWanted.length))
    throw new PetalfaceError("PETAL_ARGUMENT_INVALID", "a pair names a row that is not there");

  const blocks = Array.from({ length: Math.ceil(plan.rows.length / probeBlock) }, (_, block) => {
    const from = block * probeBlock;
    const to = Math.min(plan.rows.length, from + probeBlock);
    return { from, to, pairs: plan.pairs.subarray(plan.starts[from], plan.starts[to]) };
  });
  /** The second rows that these pairs name, rising. */
  const secondsOf = (pairs: Int32Array): Int32Array => {
    for (const pair of pairs) isWanted[second[pair]] = 1;
    const rows: number[] = [];
    for (let row = isWanted.indexOf(1); row !== -1; row = isWanted.indexOf(1, row + 1)) {
      rows.push(row);
      isWanted[row] = 0;
    }
    return Int32Array.from(rows);
  };
  const products = blocks.reduce(
    (sum, { pairs }) => sum + Math.ceil(secondsOf(pairs).length / galleryBlock) * galleryBlock * probeBlock,
    0,
  );
  if (products > first.length * engineGain) return pairByPair(a, b, width, first, second, { signal, onProgress });

  const out = new Float32Array(first.length);
  let done = 0;
  for (const { from, to, pairs } of blocks) {
    const left = new Float32Array(probeBlock * width);
    const localRow = new Map<number, number>();
    for (let place = from; place < to; place++) {
      const row = plan.rows[place];
      localRow.set(row, place - from);
      left.set(a.subarray(row * width, (row + 1) * width), (place - from) * width);
    }
    const seconds = secondsOf(pairs);
    for (let start = 0; start < seconds.length; start += widestBlock) {
      const part = seconds.subarray(start, start + widestBlock);
      columnOf.fill(-1);
      part.forEach((row, column) => {
        columnOf[row] = column;
      });
      const scores: Float32Array[] = [];
      for (let column = 0; column < part.length; column += galleryBlock) {
        signal?.throwIfAborted();
        const right = new Float32Array(galleryBlock * width);
        part.subarray(column, column + galleryBlock).forEach((row, place) => {
          right.set(b.subarray(row * width, (row + 1) * width), place * width);
        });
        scores.push(await matcher.multiply(left, right));
      }
      for (let place = from; place < to; place++) {
        const rowStart = (place - from) * galleryBlock;
        for (let at = plan.starts[place]; at < plan.starts[place + 1]; at++) {
          const pair = plan.pairs[at];
          const column = columnOf[second[pair]];
          if (column === -1) continue;
          const block = scores[Math.floor(column / galleryBlock)];
          out[pair] = block[rowStart + (column % galleryBlock)];
        }
      }
    }
    done += pairs.length;
    onProgress?.(done / first.length);
  }
  return out;
}

/**
 * Pairs by their first row: `rows[i]` is named by `pairs[starts[i]] ... pairs[starts[i + 1] - 1]`.
 */
function groupByFirst(first: Int32Array, count: number) {
  const counts = new Int32Array(count);
  for (const row of first) {
    if (row < 0 || row >= count)
      throw new PetalfaceError("PETAL_ARGUMENT_INVALID", "a pair names a row that is not there");
    counts[row] += 1;
  }
  const rows = Int32Array.from([...counts.keys()].filter((row) => counts[row] > 0));
  const starts = new Int32Array(rows.length + 1);
  const next = counts;
  rows.forEach((row, place) => {
    const start = starts[place];
    starts[place + 1] = start + counts[row];
    next[row] = start;
  });
  const pairs = new Int32Array(first.length);
  first.forEach((row, pair) => {
    const place = next[row];
    pairs[place] = pair;
    next[row] = place + 1;
  });
  return { rows, starts, pairs };
}

/** Pairs between two looks at the signal. */
const chunk = 100_000;

async function pairByPair(
  a: Float32Array,
  b: Float32Array,
  width: number,
  first: Int32Array,
  second: Int32Array,
  { signal, onProgress }: WorkOptions,
): Promise<Float32Array> {
  const out = new Float32Array(first.length);
  for (let from = 0; from < first.length; from += chunk) {
    signal?.throwIfAborted();
    out.set(pairScores(a, b, width, first.subarray(from, from + chunk), second.subarray(from, from + chunk)), from);
    onProgress?.(Math.min(1, (from + chunk) / first.length));
    // Lets Ctrl-C in.
    await new Promise(setImmediate);
  }
  return out;
}
