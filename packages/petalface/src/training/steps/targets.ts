import { entryOf, itemAt, setBatch } from "onnx-grad";
import { type Backbone, toInput } from "../../backbones/index.ts";
import { alone, type Ranks } from "../../ranks.ts";
import { floatsOf, openSession, type SessionOptions } from "../../runtime/index.ts";
import type { Draw } from "./sampler.ts";

/** Rows of one teacher call: weights that do not fit the caches are read once for all of them. */
const manyRows = 8;
/**
 * Rows for a small set on the CPU. Its last call is often padded, and a padded row costs as much as
 * a face (bench -- startup).
 */
const fewRows = 4;
/** Faces below which a set is small: with their mirror images they fill fewer than eight calls. */
const smallSet = 32;

/**
 * Rows of each teacher call for a set of `length` faces. Always the same for a set, and every call
 * is filled up: a target's bits depend on nothing but its face.
 */
export const targetRows = (length: number, provider: SessionOptions["provider"] = "cpu"): number =>
  provider === "cpu" && length < smallSet ? fewRows : manyRows;

/**
 * Most memory that cached targets may take; beyond it they are computed whenever they are needed.
 */
const cacheBytes = 512 * 2 ** 20;

/** Unit embeddings of the frozen backbone, computed once for each face and mirror image. */
export interface Targets {
  /**
   * Whether `(index, flip)` must be given pixels: true once for each, if the cache holds them all,
   * and never for one that is known.
   */
  claim(index: number, flip: boolean): boolean;
  /**
   * Computes the targets of one step's claimed faces, given by the rank that computes them.
   * `pixels`: sharp RGB planes `[n, 3, size, size]` of this rank's. Where the cache holds them all,
   * every rank has all of them afterwards.
   */
  add(faces: readonly (readonly Face[])[], pixels: Uint8Array): Promise<void>;
  /**
   * Gives these targets, whoever claimed them, and computes those that are not kept yet; NaN where
   * one is not finite.
   */
  embed(faces: readonly Face[], pixels: Uint8Array): Promise<Float32Array[]>;
  /** Computes targets of the same step that another rank has, and this one needs after all. */
  more(faces: readonly Face[], pixels: Uint8Array): Promise<void>;
  /** Whether a target of this step is here. */
  has(index: number, flip: boolean): boolean;
  /**
   * Whether a target that was added is finite: the teacher may have none of a picture of one
   * colour.
   */
  isFinite(index: number, flip: boolean): boolean;
  /** Copies one target into `out` at `offset`. */
  read(index: number, flip: boolean, out: Float32Array, offset: number): void;
  close(): Promise<void>;
}

/** A face as it is or mirrored. */
type Face = Pick<Draw, "index" | "flip">;

/**
 * Targets that were computed already, for runs on the same backbone, set and engine: a target's
 * bits do not depend on the run that computed it. Filled by the runs that it is given to.
 */
export interface TargetCache {
  /** 1 for each face, and behind it its mirror image, whose target is kept. */
  readonly known: Uint8Array;
  /** Unit rows in the same order. */
  readonly rows: Float32Array;
}

/** Room for the targets of `length` faces; for none where they would take more than 512 MiB. */
export function createTargetCache(length: number, width: number): TargetCache {
  const count = 2 * length * width * 4 <= cacheBytes ? 2 * length : 0;
  return { known: new Uint8Array(count), rows: new Float32Array(count * width) };
}

/**
 * Opens the frozen backbone as a teacher for a data set of `length` faces. It is loaded meanwhile:
 * whoever asks for the first target waits for that, and hears why where it fails.
 */
export function openTargets(
  backbone: Backbone,
  length: number,
  options: SessionOptions,
  cache: TargetCache = createTargetCache(length, backbone.width),
  ranks: Ranks = alone,
): Targets {
  const { width, size } = backbone;
  const { known, rows: kept } = cache;
  const keepAll = known.length > 0;
  if (keepAll && (known.length !== 2 * length || kept.length !== 2 * length * width))
    throw new Error(`targets of ${known.length / 2} faces were given for ${length}`);
  const rows = targetRows(length, options.provider);
  // Counted in calls of as many rows for all sets: what repays a second of loading is work.
  const runs = Math.ceil((2 * length) / manyRows);
  const opening = openSession(setBatch(backbone.graph, rows), { ...options, runs });
  opening.catch(() => undefined);
  // What is claimed here and not computed in the end stays unknown to later runs.
  const claimed = known.slice();
  const passing = new Map<number, Float32Array>();
  const slot = (index: number, flip: boolean): number => 2 * index + (flip ? 1 : 0);
  const isKept = ({ index, flip }: Face): boolean => keepAll && known[slot(index, flip)] === 1;
  const embed: Targets["embed"] = async (faces, pixels) => {
    const face = 3 * size * size;
    const missing = [...faces.keys()].filter((at) => !isKept(itemAt(faces, at)));
    const units = faces.map((each): Float32Array => {
      const at = slot(each.index, each.flip) * width;
      return isKept(each) ? kept.slice(at, at + width) : new Float32Array(width);
    });
    for (let start = 0; start < missing.length; start += rows) {
      const part = missing.slice(start, start + rows);
      const planes = new Uint8Array(part.length * face);
      part.forEach((at, row) => {
        planes.set(pixels.subarray(at * face, (at + 1) * face), row * face);
      });
      const input = toInput(planes, part.length, rows, size, backbone.spec);
      const { run } = await opening;
      const data = floatsOf(await run({ [backbone.input]: input }, "given"), backbone.output);
      part.forEach((at, row) => {
        const unit = normalise(data.subarray(row * width, (row + 1) * width));
        units[at] = unit;
        const { index, flip } = itemAt(faces, at);
        if (keepAll) keep(slot(index, flip), unit);
      });
    }
    return units;
  };
  /** Computes targets and keeps them, for this step at least. */
  const compute = async (faces: readonly Face[], pixels: Uint8Array): Promise<void> => {
    const units = await embed(faces, pixels);
    if (!keepAll)
      for (const [at, { index, flip }] of faces.entries()) passing.set(slot(index, flip), itemAt(units, at));
  };
  const keep = (at: number, unit: Float32Array): void => {
    kept.set(unit, at * width);
    known[at] = 1;
  };
  /** Gives every rank what each has computed. */
  const share = async (faces: readonly (readonly Face[])[]): Promise<void> => {
    const most = Math.max(...faces.map((each) => each.length));
    if (most === 0) return;
    const own = new Float32Array(most * width);
    faces[ranks.rank]?.forEach(({ index, flip }, row) => {
      own.set(kept.subarray(slot(index, flip) * width, (slot(index, flip) + 1) * width), row * width);
    });
    const all = await ranks.gather([own]);
    faces.forEach((each, rank) => {
      if (rank === ranks.rank) return;
      const given = itemAt(itemAt(all, rank), 0);
      each.forEach(({ index, flip }, row) => {
        keep(slot(index, flip), given.subarray(row * width, (row + 1) * width));
      });
    });
  };
  return {
    embed,
    claim(index, flip) {
      if (!keepAll) return true;
      const at = slot(index, flip);
      if (claimed[at] === 1) return false;
      claimed[at] = 1;
      return known[at] === 0;
    },
    async add(faces, pixels) {
      passing.clear();
      await compute(faces[ranks.rank] ?? [], pixels);
      if (keepAll && ranks.count > 1) await share(faces);
    },
    more: compute,
    has: (index, flip) => (keepAll ? known[slot(index, flip)] === 1 : passing.has(slot(index, flip))),
    isFinite(index, flip) {
      const at = slot(index, flip);
      return Number.isFinite(keepAll ? kept[at * width] : passing.get(at)?.[0]);
    },
    read(index, flip, out, offset) {
      const at = slot(index, flip);
      if (keepAll) out.set(kept.subarray(at * width, (at + 1) * width), offset);
      else out.set(entryOf(passing, at), offset);
    },
    async close() {
      const session = await opening.catch(() => undefined);
      await session?.close();
    },
  };
}

/**
 * The vector scaled to length 1, in double precision until the end; NaN throughout where any number
 * is not finite.
 */
function normalise(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Number.isFinite(squares) ? Math.sqrt(Math.max(squares, 1e-24)) : Number.NaN;
  return vector.map((value) => value / length);
}
