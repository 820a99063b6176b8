import { itemAt } from "onnx-grad";
import type { Ranks } from "../../ranks.ts";
import type { Share } from "./share.ts";

/** The mean of a vector over the parts of a step, of which each rank computes some. */
export interface PartSum {
  /**
   * Takes this rank's vector of a round, undefined where it has no part in it. The exchange with
   * the other ranks continues while the next round is computed.
   */
  add(round: number, values: Float32Array | undefined): Promise<void>;
  /** The stretch of the mean that this rank is responsible for; with one rank all of it. */
  finish(): Promise<Float32Array>;
}

/**
 * Sums parts in their order, whichever rank computed them, so that the bits are those of one
 * process: each rank receives its stretch of every part, and adds them up one after the other. A
 * sum in the order of the network (all-reduce) would depend on the number of ranks.
 *
 * @param parts how many there are; each counts 1 / parts
 * @param lengths of the stretches of all ranks
 */
export function sumOfParts(ranks: Ranks, share: Share, parts: number, lengths: readonly number[]): PartSum {
  const none = new Float32Array(0);
  let sum: Float32Array | undefined;
  let sent: { readonly round: number; readonly all: Promise<readonly Float32Array[]> } | undefined;
  const take = async (): Promise<void> => {
    if (sent === undefined) return;
    const { round, all } = sent;
    sent = undefined;
    (await all).forEach((values, rank) => {
      if (share.partOf(round, rank) !== undefined) sum = accumulated(sum, values, parts, ranks.count > 1);
    });
  };
  return {
    async add(round, values) {
      await take();
      let start = 0;
      const given = lengths.map((length) => {
        const stretch = values?.subarray(start, start + length) ?? none;
        start += length;
        return stretch;
      });
      const own = itemAt(lengths, ranks.rank);
      const all = ranks.exchange(
        given,
        lengths.map((_, rank) => (share.partOf(round, rank) === undefined ? 0 : own)),
      );
      // It may fail before anything waits for it; whoever does still gets the error.
      all.catch(() => undefined);
      sent = { round, all };
    },
    async finish() {
      await take();
      if (sum === undefined) throw new Error("a step without parts");
      return sum;
    },
  };
}

/**
 * The sum so far plus a part's share of the mean; with one part its own array, every bit as it
 * came.
 */
function accumulated(sum: Float32Array | undefined, part: Float32Array, parts: number, lent: boolean): Float32Array {
  if (parts === 1) return lent ? part.slice() : part;
  if (sum === undefined) return part.map((value) => value / parts);
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i] + part[i] / parts;
  return sum;
}
