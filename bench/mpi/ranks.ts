/**
 * One rank of `bench -- mpi`: how long the exchange of a step takes, for some numbers of trained
 * weights. Rank 0 prints JSON.
 */

import { openRanks } from "petalface/cluster";
import { median } from "../skeleton/statistics.ts";

const [sizes = "", turns = "20"] = process.argv.slice(2);
const ranks = await openRanks();
if (ranks === undefined) throw new Error("start this with mpirun");
const { rank, count } = ranks;

/** Rounded down for all but the last, as a run cuts its gradient to within one number. */
const stretches = (numbers: number): number[] =>
  Array.from(
    { length: count },
    (_, at) => Math.floor((numbers * (at + 1)) / count) - Math.floor((numbers * at) / count),
  );

const results: { readonly numbers: number; readonly milliseconds: number }[] = [];
for (const numbers of sizes.split(",").map(Number)) {
  const gradient = Float32Array.from({ length: numbers }, (_, i) => (i % 97) * 1e-3 + rank);
  const lengths = stretches(numbers);
  const own = lengths[rank] ?? 0;
  const times: number[] = [];
  for (let turn = -2; turn < Number(turns); turn++) {
    // All ranks begin together: waiting for a slower one is not the exchange's.
    await ranks.gatherTexts("");
    const begin = performance.now();
    let start = 0;
    const given = lengths.map((length) => {
      start += length;
      return gradient.subarray(start - length, start);
    });
    const parts = await ranks.exchange(
      given,
      lengths.map(() => own),
    );
    const sum = new Float32Array(own);
    for (const part of parts) for (let i = 0; i < own; i++) sum[i] = (sum[i] ?? 0) + (part[i] ?? 0) / count;
    const whole = (await ranks.join(sum, lengths)).slice();
    await ranks.gather([Float32Array.of(whole[0] ?? 0)]);
    if (turn >= 0) times.push(performance.now() - begin);
  }
  results.push({ numbers, milliseconds: median(times) });
}
if (rank === 0) console.log(JSON.stringify(results));
await ranks.close();
