import type { Ranks } from "../../ranks.ts";
import type { TrainingOptions } from "../options/options.ts";

/** Which parts of a step's images each rank computes: part p is rank (p modulo ranks)'s. */
export interface Share {
  /** Images of a part. */
  readonly size: number;
  /** Parts that a rank computes one after the other, at most. */
  readonly rounds: number;
  /** The part that a rank computes in a round; undefined where none is left for it. */
  partOf(round: number, rank: number): number | undefined;
  /** The rank that computes the image at a place of the batch. */
  rankOf(place: number): number;
  /** Places of the batch that a rank computes, ascending. */
  placesOf(rank: number): readonly number[];
}

/**
 * Divides the parts of a step (`accumulate`) among the ranks. Where their number does not divide
 * that of the parts, some ranks wait.
 */
export function shareOf(
  { batch, accumulate }: Pick<TrainingOptions, "batch" | "accumulate">,
  { count }: Pick<Ranks, "count">,
): Share {
  const size = batch / accumulate;
  const rankOf = (place: number): number => Math.floor(place / size) % count;
  const all = Array.from({ length: batch }, (_, place) => place);
  const places = Array.from({ length: count }, (_, rank) => all.filter((place) => rankOf(place) === rank));
  return {
    size,
    rounds: Math.ceil(accumulate / count),
    partOf(round, rank) {
      const part = round * count + rank;
      return part < accumulate ? part : undefined;
    },
    rankOf,
    placesOf: (rank) => places[rank] ?? [],
  };
}
