import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "onnx-grad";
import { entryOf, itemAt } from "onnx-grad";
import { type Backbone, toInput } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { random } from "../../random.ts";
import type { Ranks } from "../../ranks.ts";
import { floatsOf, openSession, type SessionOptions } from "../../runtime/index.ts";
import { openScratch, type Scratch } from "../../scratch.ts";
import type { Draw } from "../steps/sampler.ts";
import type { Share } from "../steps/share.ts";
import type { SplitGraph } from "./split.ts";

/**
 * What the frozen layers below every adapter make of an image, computed once for each face and
 * variant while the store has room. Of several ranks each keeps what it computed, and gives it to
 * the others when they need it.
 */
export interface Prefix {
  /**
   * Whether this draw's pixels are needed: true once for each that the store holds, always for the
   * others. Every rank must ask for all draws in their order.
   *
   * @param rank the one that would compute it
   */
  claim(draw: Draw, rank: number): boolean;
  /**
   * Computes the values of one step's claimed draws. `pixels`: their RGB planes, one draw after the
   * other.
   */
  add(draws: readonly Draw[], pixels: Uint8Array): Promise<void>;
  /**
   * Brings here what other ranks have and this one needs of a step. All ranks must call it.
   *
   * @param draws of the whole batch
   * @param origin the place that each draw was drawn at
   */
  fetch(draws: readonly Draw[], origin: readonly number[], share: Share): Promise<void>;
  /** The values of some draws as inputs of the rest of the graph. */
  feeds(draws: readonly Draw[]): Record<string, Tensor>;
  close(): Promise<void>;
}

/** How a {@link Prefix} is opened. */
export interface PrefixOptions {
  readonly backbone: Backbone;
  readonly split: SplitGraph;
  /** Images of one run of the graphs. */
  readonly batch: number;
  /** Different draws of each face (`--variants`). */
  readonly variants: number;
  /** Where the file goes, and how large it may become; 0 keeps nothing. */
  readonly folder: string;
  readonly bytes: number;
  readonly session: SessionOptions;
  readonly ranks: Ranks;
}

/**
 * Opens a {@link Prefix}. The store keeps what came first: with every face met once an epoch,
 * throwing out the oldest would throw out what is needed next.
 *
 * @throws PetalfaceError if an image's values depend on its neighbours in the batch, to the last
 * bit
 */
export async function openPrefix({
  backbone,
  split,
  batch,
  variants,
  folder,
  bytes,
  session,
  ranks,
}: PrefixOptions): Promise<Prefix> {
  const engine = await openSession(split.prefix, session);
  const lengths = split.values.map(({ shape }) => shape.reduce((product, side) => product * side, 1) / batch);
  const record = lengths.reduce((sum, length) => sum + length, 0);
  const face = 3 * backbone.size ** 2;

  const compute = async (pixels: Uint8Array, count: number): Promise<Float32Array[]> => {
    const [input = ""] = split.prefix.inputs;
    const results = await engine.run({ [input]: toInput(pixels, count, batch, backbone.size, backbone.spec) });
    return split.values.map(({ name }) => floatsOf(results, name));
  };
  let store: Scratch;
  try {
    await proveRows(compute, lengths, batch, face);
    store = openScratch(join(folder, prefixName(ranks.rank)), record);
  } catch (error) {
    await engine.close();
    throw error;
  }
  const capacity = Math.floor(bytes / (4 * record));
  const slots = new Map<number, { readonly rank: number; readonly slot: number }>();
  const held = new Array<number>(ranks.count).fill(0);
  const passing = new Map<number, Float32Array>();
  const fetched = new Map<number, Float32Array>();
  /** Fills `out` from a place within a draw's values on. */
  const readHere = (key: number, offset: number, out: Float32Array): void => {
    const place = slots.get(key);
    if (place?.rank === ranks.rank) store.read(place.slot, offset, out);
    else {
      const values = fetched.get(key) ?? entryOf(passing, key);
      out.set(values.subarray(offset, offset + out.length));
    }
  };
  const keyOf = ({ index, variant }: Draw): number => index * variants + (variant ?? 0);

  return {
    claim(draw, rank) {
      const key = keyOf(draw);
      if (slots.has(key)) return false;
      const slot = itemAt(held, rank);
      if (slot >= capacity) return true;
      slots.set(key, { rank, slot });
      held[rank] = slot + 1;
      return true;
    },
    async add(draws, pixels) {
      passing.clear();
      for (let start = 0; start < draws.length; start += batch) {
        const part = draws.slice(start, start + batch);
        const values = await compute(pixels.subarray(start * face, (start + part.length) * face), part.length);
        part.forEach((draw, row) => {
          const joined = new Float32Array(record);
          let offset = 0;
          values.forEach((value, at) => {
            const length = itemAt(lengths, at);
            joined.set(value.subarray(row * length, (row + 1) * length), offset);
            offset += length;
          });
          const place = slots.get(keyOf(draw));
          if (place === undefined) passing.set(keyOf(draw), joined);
          else store.write(place.slot, joined);
        });
      }
    },
    async fetch(draws, origin, share) {
      fetched.clear();
      if (ranks.count === 1) return;
      const given: Float32Array[][] = ranks.hosts.map(() => []);
      const wanted: number[][] = ranks.hosts.map(() => []);
      draws.forEach((draw, place) => {
        const key = keyOf(draw);
        const holder = slots.get(key)?.rank ?? share.rankOf(itemAt(origin, place));
        const taker = share.rankOf(place);
        if (holder === taker) return;
        if (taker === ranks.rank) wanted[holder]?.push(key);
        if (holder !== ranks.rank) return;
        const values = new Float32Array(record);
        readHere(key, 0, values);
        given[taker]?.push(values);
      });
      const got = await ranks.exchange(
        given.map((list) => joinAll(list, record)),
        wanted.map((list) => list.length * record),
      );
      wanted.forEach((keys, rank) => {
        keys.forEach((key, at) => {
          fetched.set(key, itemAt(got, rank).slice(at * record, (at + 1) * record));
        });
      });
    },
    feeds(draws) {
      let offset = 0;
      return Object.fromEntries(
        split.values.map(({ name, shape }, at) => {
          const length = itemAt(lengths, at);
          const data = new Float32Array(batch * length);
          draws.forEach((draw, row) => {
            const key = keyOf(draw);
            readHere(key, offset, data.subarray(row * length, (row + 1) * length));
          });
          offset += length;
          return [name, { dtype: "float32", dims: shape, data } as const];
        }),
      );
    },
    async close() {
      await engine.close();
      store.close();
    },
  };
}

/** Name of a rank's folder of values within the run's. */
const prefixName = (rank: number): string => (rank === 0 ? "prefix" : `prefix-${rank}`);

/** Removes what ranks that were killed left in a run's folder. */
export async function removePrefixes(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (/^prefix(-\d+)?$/.test(name)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Vectors of one length, one behind the other. */
function joinAll(list: readonly Float32Array[], length: number): Float32Array {
  const all = new Float32Array(list.length * length);
  list.forEach((values, at) => {
    all.set(values, at * length);
  });
  return all;
}

/**
 * Runs a batch of noise and the same images one place further: every value must move with its
 * image, bit for bit.
 */
async function proveRows(
  compute: (pixels: Uint8Array, count: number) => Promise<Float32Array[]>,
  lengths: readonly number[],
  batch: number,
  face: number,
): Promise<void> {
  const stream = random("prefix");
  const pixels = Uint8Array.from({ length: batch * face }, () => stream.uint32() & 255);
  const moved = new Uint8Array(pixels.length);
  moved.set(pixels.subarray(0, pixels.length - face), face);
  moved.set(pixels.subarray(pixels.length - face), 0);
  const [before, after] = [await compute(pixels, batch), await compute(moved, batch)];
  lengths.forEach((length, at) => {
    const [one, other] = [itemAt(before, at), itemAt(after, at)];
    for (let row = 0; row < batch; row++) {
      const to = ((row + 1) % batch) * length;
      for (let i = 0; i < length; i++)
        if (!Object.is(one[row * length + i], other[to + i]))
          throw new PetalfaceError(
            "PETAL_OPTION_UNFIT",
            "the output of the frozen layers depends on an image's place in the batch, so it cannot be kept; train without 'variants'",
          );
    }
  });
}
