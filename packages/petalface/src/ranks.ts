import { itemAt } from "onnx-grad";
import { type ErrorCode, PetalfaceError } from "./errors.ts";

/** The processes that do one piece of work together, as one of them sees them. */
export interface Ranks {
  /** Number of this process, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly count: number;
  /** Name of each one's machine, by rank. */
  readonly hosts: readonly string[];
  /**
   * All-gather: what each rank gives, in the order of ranks. All ranks give pieces of the same
   * lengths. What is returned may be overwritten by the next call.
   */
  gather(pieces: readonly Float32Array[]): Promise<readonly (readonly Float32Array[])[]>;
  /**
   * All-gather of different lengths: one vector, the ranks' parts one behind the other. It may be
   * overwritten by the next call.
   *
   * @param lengths numbers that each rank gives; this rank's is that of `part`
   */
  join(part: Float32Array, lengths: readonly number[]): Promise<Float32Array>;
  /**
   * All-to-all: `given[r]` goes to rank r, and rank r's part for this one comes back at r. It may
   * be overwritten by the next call.
   *
   * @param lengths numbers that come from each rank
   */
  exchange(given: readonly Float32Array[], lengths: readonly number[]): Promise<readonly Float32Array[]>;
  /** All-gather of texts of any length. */
  gatherTexts(text: string): Promise<readonly string[]>;
}

/** One process that works by itself. */
export const alone: Ranks = {
  rank: 0,
  count: 1,
  hosts: [""],
  gather: async (pieces) => [pieces],
  join: async (part) => part,
  exchange: async (given) => given,
  gatherTexts: async (text) => [text],
};

/** Names a rank and its machine in a message. */
export const nameRank = ({ hosts }: Ranks, rank: number): string => `rank ${rank} on ${hosts[rank] ?? "?"}`;

/** What became of one rank's work; travels as JSON. */
interface Outcome {
  readonly message?: string;
  readonly code?: ErrorCode;
  readonly value?: unknown;
}

async function outcomeOf(work: () => Promise<unknown>): Promise<{ readonly outcome: Outcome; readonly own: unknown }> {
  try {
    return { outcome: {}, own: await work() };
  } catch (error) {
    if (!(error instanceof PetalfaceError)) throw error;
    return { outcome: { message: error.message, code: error.code }, own: undefined };
  }
}

/** Throws what any rank has to say, on every rank alike. */
function throwShared(ranks: Ranks, outcomes: readonly Outcome[]): void {
  const failed = outcomes.findIndex(({ message }) => message !== undefined);
  if (failed < 0) return;
  const { message = "", code = "PETAL_RANKS_FAILED" } = itemAt(outcomes, failed);
  const same = outcomes.every((other) => other.message === message);
  throw new PetalfaceError(code, same ? message : `${nameRank(ranks, failed)}: ${message}`);
}

/**
 * Lets every rank do something, and returns this rank's result once all of them are done.
 *
 * @throws PetalfaceError on every rank where one of them failed so; it names the rank unless all
 * failed alike
 */
export async function together<T>(ranks: Ranks, work: () => Promise<T>): Promise<T> {
  if (ranks.count === 1) return await work();
  const { outcome, own } = await outcomeOf(work);
  const texts = await ranks.gatherTexts(JSON.stringify(outcome));
  throwShared(
    ranks,
    texts.map((text) => JSON.parse(text) as Outcome),
  );
  return own as T;
}

/**
 * Lets rank 0 do something and gives the result to all. It must be something that JSON can hold.
 *
 * @throws PetalfaceError on every rank where rank 0 failed so
 */
export async function fromFirst<T>(ranks: Ranks, work: () => Promise<T>): Promise<T> {
  if (ranks.count === 1) return await work();
  const { outcome, own } = ranks.rank === 0 ? await outcomeOf(work) : { outcome: {}, own: undefined };
  const [text = ""] = await ranks.gatherTexts(
    ranks.rank === 0 ? JSON.stringify({ ...outcome, value: own } satisfies Outcome) : "",
  );
  const { message, code = "PETAL_RANKS_FAILED", value } = JSON.parse(text) as Outcome;
  if (message !== undefined) throw new PetalfaceError(code, message);
  return (ranks.rank === 0 ? own : value) as T;
}

/**
 * Compares what must be the same everywhere.
 *
 * @param values by what they are called in a message
 * @throws PetalfaceError (wrong usage) on every rank that names the first difference and its rank
 */
export async function requireSame(ranks: Ranks, values: Readonly<Record<string, string>>): Promise<void> {
  if (ranks.count === 1) return;
  const all = (await ranks.gatherTexts(JSON.stringify(values))).map(
    (text) => JSON.parse(text) as Readonly<Record<string, string>>,
  );
  const short = (text = "nothing"): string => (text.length > 60 ? `${text.slice(0, 60)}...` : text);
  for (const name of new Set(all.flatMap((each) => Object.keys(each))))
    for (const [rank, each] of all.entries())
      if (each[name] !== all[0]?.[name])
        throw new PetalfaceError(
          "PETAL_RANKS_DIFFER",
          `${nameRank(ranks, rank)} has another ${name} than ${nameRank(ranks, 0)}: ${short(each[name])} instead of ${short(all[0]?.[name])}; start every rank with the same command, files and versions`,
        );
}

/** Numbers of one message while a long vector travels in pieces. */
const pieceLength = 2 ** 22;

/** Sends rank 0's numbers to the same place of every rank's vector, in pieces. */
export async function spread(ranks: Ranks, values: Float32Array): Promise<void> {
  if (ranks.count === 1) return;
  const lengths = (length: number): number[] => ranks.hosts.map((_, rank) => (rank === 0 ? length : 0));
  for (let start = 0; start < values.length; start += pieceLength) {
    const piece = values.subarray(start, start + pieceLength);
    const got = await ranks.join(ranks.rank === 0 ? piece : new Float32Array(0), lengths(piece.length));
    if (ranks.rank !== 0) piece.set(got);
  }
}

/**
 * The vector whose parts lie on the ranks, piece by piece in order, on rank 0; nothing on the
 * others, which must read it to its end too. A piece is good until the next one is asked for.
 *
 * @param lengths of each rank's part
 */
export async function* collect(
  ranks: Ranks,
  part: Float32Array,
  lengths: readonly number[],
): AsyncGenerator<Float32Array> {
  const none = new Float32Array(0);
  for (const [from, length] of lengths.entries())
    for (let start = 0; start < length; start += pieceLength) {
      const count = Math.min(pieceLength, length - start);
      const piece = ranks.rank === from ? part.subarray(start, start + count) : none;
      if (from === 0) {
        if (ranks.rank === 0) yield piece;
        continue;
      }
      const given = lengths.map((_, rank) => (rank === 0 ? piece : none));
      const got = await ranks.exchange(
        given,
        lengths.map((_, rank) => (rank === from && ranks.rank === 0 ? count : 0)),
      );
      if (ranks.rank === 0) yield itemAt(got, from);
    }
}

/** The other way: parts of rank 0's vector go to the ranks. Fills `part`. */
export async function deal(
  ranks: Ranks,
  whole: Float32Array | undefined,
  part: Float32Array,
  lengths: readonly number[],
): Promise<void> {
  const none = new Float32Array(0);
  let offset = 0;
  for (const [to, length] of lengths.entries()) {
    if (to === 0 && ranks.rank === 0 && whole !== undefined) part.set(whole.subarray(0, length));
    for (let start = 0; to > 0 && start < length; start += pieceLength) {
      const count = Math.min(pieceLength, length - start);
      const piece = whole?.subarray(offset + start, offset + start + count) ?? none;
      const given = lengths.map((_, rank) => (rank === to ? piece : none));
      const got = await ranks.exchange(
        given,
        lengths.map((_, rank) => (rank === 0 && ranks.rank === to ? count : 0)),
      );
      if (ranks.rank === to) part.set(itemAt(got, 0), start);
    }
    offset += length;
  }
}
