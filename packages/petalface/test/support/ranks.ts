import type { Ranks } from "../../src/ranks.ts";

/** What each rank brings to one exchange, and how it gets everybody's. */
interface Meeting<T> {
  readonly brought: (T | undefined)[];
  count: number;
  readonly all: Promise<T[]>;
  readonly open: (all: T[]) => void;
  readonly close: (error: Error) => void;
}

/**
 * Runs work on several ranks in this process, which exchange numbers as processes do: by copies,
 * and each exchange waits for all. Where one fails, the others' exchanges fail too.
 */
export async function onRanks<T>(
  count: number,
  work: (ranks: Ranks) => Promise<T>,
): Promise<PromiseSettledResult<T>[]> {
  const meetings = new Map<number, Meeting<unknown>>();
  let broken: Error | undefined;
  const meet = (number: number): Meeting<unknown> => {
    const known = meetings.get(number);
    if (known !== undefined) return known;
    let open: Meeting<unknown>["open"] = () => undefined;
    let close: Meeting<unknown>["close"] = () => undefined;
    const all = new Promise<unknown[]>((resolve, reject) => {
      open = resolve;
      close = reject;
    });
    all.catch(() => undefined);
    const made = { brought: new Array(count).fill(undefined), count: 0, all, open, close };
    if (broken !== undefined) close(broken);
    meetings.set(number, made);
    return made;
  };
  const ranksOf = (rank: number): Ranks => {
    let number = 0;
    const share = async <V>(value: V): Promise<V[]> => {
      const meeting = meet(number++) as Meeting<V>;
      meeting.brought[rank] = value;
      meeting.count++;
      if (meeting.count === count) meeting.open(meeting.brought as V[]);
      return await meeting.all;
    };
    const hosts = Array.from({ length: count }, () => "here");
    return {
      rank,
      count,
      hosts,
      gather: async (pieces) =>
        (await share(pieces.map((piece) => piece.slice()))).map((all) => all.map((p) => p.slice())),
      async join(part, lengths) {
        const all = await share(part.slice());
        all.forEach(({ length }, from) => {
          if (length !== lengths[from]) throw new Error(`rank ${from} gave ${length} numbers, not ${lengths[from]}`);
        });
        return Float32Array.from(all.flatMap((each) => [...each]));
      },
      async exchange(given, lengths) {
        const all = await share(given.map((part) => part.slice()));
        return all.map((parts, from) => {
          const part = parts[rank] ?? new Float32Array(0);
          if (part.length !== lengths[from])
            throw new Error(`rank ${from} gave ${part.length} numbers, not ${lengths[from]}`);
          return part.slice();
        });
      },
      gatherTexts: (text) => share(text),
    };
  };
  return await Promise.allSettled(
    Array.from({ length: count }, async (_, rank) => {
      try {
        return await work(ranksOf(rank));
      } catch (error) {
        broken ??= new Error(`another rank failed: ${error instanceof Error ? error.message : String(error)}`);
        for (const { close } of meetings.values()) close(broken);
        throw error;
      }
    }),
  );
}
