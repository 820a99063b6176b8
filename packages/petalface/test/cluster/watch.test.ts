import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Meeting } from "../../src/cluster/mpi/messages.ts";
import { openWatch, type Watch } from "../../src/cluster/mpi/watch.ts";

/** Watches of some ranks in this process, which have met, and what they said and did. */
async function meet(count: number): Promise<{ watches: Watch[]; lines: string[]; aborts: number[] }> {
  const lines: string[] = [];
  const aborts: number[] = [];
  const hosts = Array.from({ length: count }, () => "here");
  const watches = hosts.map((_, rank) =>
    openWatch({
      rank,
      hosts,
      hint: () => "; continue",
      print: (line) => lines.push(`${rank}: ${line}`),
      abort: () => aborts.push(rank),
    }),
  );
  const meetings: Meeting[] = [];
  for (const watch of watches.slice(0, 2)) meetings.push(await watch.meet());
  expect(await Promise.all(watches.map((watch) => watch.join(meetings)))).toEqual(hosts.map(() => true));
  return { watches, lines, aborts };
}

describe("a watch", () => {
  it.each([
    [0, 1, 2],
    [2, 1, 0],
    [1, 0, 2],
  ])("says nothing when ranks leave one after the other: %i, %i, %i", async (...order) => {
    const { watches, lines, aborts } = await meet(3);
    for (const rank of order) {
      watches[rank]?.leave();
      // Long enough for a connection of this machine to close.
      await sleep(200);
    }
    expect({ lines, aborts }).toEqual({ lines: [], aborts: [] });
  });

  it("gives every rank's failure one line, and the failure of one rank its name", async () => {
    const all = await meet(3);
    const failure = { message: "step 3: the loss is NaN", exitCode: 1 };
    const ending = { exitCode: 1, together: true };
    expect(await Promise.all(all.watches.map((watch) => watch.fail(failure, true)))).toEqual([ending, ending, ending]);
    expect(all.lines).toEqual(["0: step 3: the loss is NaN"]);
    expect(all.aborts).toEqual([]);
    for (const watch of all.watches) watch.leave();
  });

  it("does not end MPI together where a rank that failed still waits in a transfer", async () => {
    const { watches, lines, aborts } = await meet(1);
    const failure = { message: "step 3: the loss is NaN", exitCode: 1 };
    expect(await watches[0]?.fail(failure, false)).toEqual({ exitCode: 1, together: false });
    expect({ lines, aborts }).toEqual({ lines: ["0: step 3: the loss is NaN"], aborts: [] });
    watches[0]?.leave();
  });
});
