import { GraphBuilder } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { floatsOf, openSession, type SessionOptions } from "../runtime/index.ts";
import type { RowSource, WorkOptions } from "./rows.ts";

/**
 * Sides of one block of scores. It is always whole, filled up with zero rows, so that the engine
 * sums every product in the same order: equal rows give equal scores wherever they stand, and ties
 * are real ties.
 */
export const probeBlock = 512;
export const galleryBlock = 2048;

/**
 * Scores of some probes against some gallery faces: row `p`, column `g` at
 * `scores[p * stride + g]`.
 */
export interface ScoreBlock {
  readonly firstProbe: number;
  readonly probes: number;
  readonly firstFace: number;
  readonly faces: number;
  readonly stride: number;
  readonly scores: Float32Array;
}

/** Multiplies embeddings in blocks; close it after use. */
export interface Matcher {
  readonly width: number;
  /** Probes of a whole block. */
  readonly probes: number;
  /** The product of two whole blocks, `probes x width` and `galleryBlock x width`, row-major. */
  multiply(probes: Float32Array, faces: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

/**
 * Opens a {@link Matcher} for embeddings of `width` numbers. Throws PetalfaceError if the provider
 * does not work here.
 *
 * @param block probes of a whole block; fewer than 512 save time where few come at once
 */
export async function openMatcher(
  width: number,
  options: SessionOptions = {},
  block: number = probeBlock,
): Promise<Matcher> {
  const b = new GraphBuilder({ name: "match", opset: 18 });
  const probes = b.input("probes", { dtype: "float32", shape: [block, width] });
  const faces = b.input("faces", { dtype: "float32", shape: [galleryBlock, width] });
  const scores = b.add("Gemm", [probes, faces], { transB: { int: 1 } }, { name: "scores" });
  const session = await openSession(b.build([scores]), options);
  const tensor = (data: Float32Array, rows: number) => ({ dtype: "float32" as const, dims: [rows, width], data });
  return {
    width,
    probes: block,
    async multiply(left, right) {
      const feeds = { probes: tensor(left, block), faces: tensor(right, galleryBlock) };
      return floatsOf(await session.run(feeds), scores);
    },
    close: () => session.close(),
  };
}

/**
 * Scores of all probes against the whole gallery, block by block; never more than three blocks are
 * in memory. The gallery is read once, front to back. While `visit` looks at one block the engine
 * works on the next.
 *
 * @param probes rows of the matcher's width, row-major, in memory.
 * @param visit sees every pair once: gallery blocks in their order, within each the probe blocks in
 * theirs. The block is valid during the call.
 */
export async function scanBlocks(
  matcher: Matcher,
  probes: Float32Array,
  gallery: RowSource,
  visit: (block: ScoreBlock) => void,
  { signal, onProgress }: WorkOptions = {},
): Promise<void> {
  const { width, probes: block } = matcher;
  if (gallery.width !== width || probes.length % width !== 0)
    throw new PetalfaceError(
      "PETAL_ARGUMENT_INVALID",
      `cannot match embeddings of ${gallery.width} numbers with ${probes.length} numbers in rows of ${width}`,
    );
  const count = probes.length / width;
  const total = Math.ceil(count / block) * Math.ceil(gallery.count / galleryBlock);
  let done = 0;
  const see = (block: ScoreBlock): void => {
    visit(block);
    onProgress?.(++done / total);
  };
  let pending: Promise<ScoreBlock> | undefined;
  try {
    for (let firstFace = 0; firstFace < gallery.count; firstFace += galleryBlock) {
      const faces = Math.min(galleryBlock, gallery.count - firstFace);
      const read = await gallery.read(firstFace, faces);
      // The rows read last may be in the engine's hands still: it gets a copy of its own.
      const right = new Float32Array(galleryBlock * width);
      right.set(read);
      for (let firstProbe = 0; firstProbe < count; firstProbe += block) {
        signal?.throwIfAborted();
        const rows = Math.min(block, count - firstProbe);
        const left = wholeBlock(probes.subarray(firstProbe * width, (firstProbe + rows) * width), block * width);
        const next = matcher
          .multiply(left, right)
          .then((scores) => ({ firstProbe, probes: rows, firstFace, faces, stride: galleryBlock, scores }));
        const previous = pending;
        pending = next;
        if (previous !== undefined) see(await previous);
      }
    }
    if (pending !== undefined) see(await pending);
  } catch (error) {
    // The engine must be idle before anybody closes it.
    await pending?.catch(() => {});
    throw error;
  }
}

/** These rows themselves if they fill a block, else a copy with zero rows behind them. */
export function wholeBlock(rows: Float32Array, length: number): Float32Array {
  if (rows.length === length) return rows;
  const block = new Float32Array(length);
  block.set(rows);
  return block;
}
