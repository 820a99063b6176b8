import { cpus } from "node:os";
import { join } from "node:path";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { runRanks } from "../skeleton/mpi.ts";
import { table, whole } from "../skeleton/page.ts";

const sizes = [200_000, 1_400_000, 20_000_000];
const counts = [1, 2, 4];

interface Timing {
  readonly numbers: number;
  readonly milliseconds: number;
}

/** Times of one number of ranks, on this machine. */
async function measure(launcher: string, count: number, turns: number): Promise<Timing[]> {
  const program = join(import.meta.dirname, "ranks.ts");
  return await runRanks<Timing[]>(launcher, count, [program, sizes.join(), String(turns)]);
}

/** Milliseconds of a step's exchange for one gradient. */
interface Costs {
  /** What a rank does whatever their number is: copies, the sum. */
  readonly own: number;
  /** What all numbers that a rank sends through shared memory once around would take. */
  readonly sending: number;
}

/**
 * Numbers that a rank sends, twice its gradient but for its own stretch, and as many that it gets;
 * as a share of the gradient.
 */
const sent = (count: number): number => (2 * (count - 1)) / count;
/** How many times as long ranks take that share cores. */
const sharing = (count: number): number => Math.max(1, count / cpus().length);

/** From what 1 rank and 4 ranks took; 2 ranks are left to check it with. */
const costsOf = (one: number, four: number): Costs => ({
  own: one,
  sending: Math.max(0, four / sharing(4) - one) / sent(4),
});

/**
 * Steps of 512 images on one machine of this kind, in ms: from `bench -- step` (docs/speed.md), 8
 * images at a time.
 */
const steps = [
  { name: "fr_feature, 0.2 M", numbers: 200_000, step: 64 * 82 },
  { name: "IResNet-50, 1.4 M", numbers: 1_400_000, step: 64 * 1166 },
  { name: "swin_256new, 20 M", numbers: 20_000_000, step: 64 * 2954 },
];
const networks = [
  { name: "1 Gbit/s", bits: 1e9 },
  { name: "10 Gbit/s", bits: 1e10 },
  { name: "100 Gbit/s", bits: 1e11 },
];
/** Milliseconds that a message takes in a data centre besides its bytes. */
const latency = 0.03;
const many = [8, 64, 512];

/** How many times as fast n machines are, if a part's transfer does not overlap with anything. */
function speedUp(step: number, numbers: number, count: number, bits: number, own: number): number {
  const network = (sent(count) * numbers * 32 * 1000) / bits + 2 * (count - 1) * latency;
  return step / (step / count + own + network);
}

export default defineBenchmark({
  name: "mpi",
  title: "Training on several ranks",
  measures: "What the exchange of a step costs at 1, 2 and 4 ranks on one machine, and a model of more machines.",
  minutes: 2,
  needs: "Open MPI",
  options: {
    mpirun: { help: "the launcher", default: "mpirun.openmpi" },
    turns: { help: "steps that the median is of", default: 15 },
  },
  async run({ mpirun, turns }) {
    const all = new Map<number, Timing[]>();
    for (const count of counts) all.set(count, await measure(mpirun, count, turns));
    const timeOf = (count: number, numbers: number): number =>
      all.get(count)?.find((timing) => timing.numbers === numbers)?.milliseconds ?? Number.NaN;
    const costs = new Map(sizes.map((numbers) => [numbers, costsOf(timeOf(1, numbers), timeOf(4, numbers))]));
    const measured = counts.map((count) => [
      String(count),
      ...(all.get(count) ?? []).map(({ milliseconds }) => `${milliseconds.toFixed(1)} ms`),
    ]);
    const checked = [...costs].map(([numbers, { own, sending }]) => {
      const [took, predicted] = [timeOf(2, numbers), (own + sending * sent(2)) * sharing(2)];
      return [whole(numbers), `${took.toFixed(1)} ms`, `${predicted.toFixed(1)} ms`, (predicted / took).toFixed(2)];
    });
    const modelled = steps.flatMap(({ name, numbers, step }) =>
      networks.map((network) => [
        ...[name, network.name],
        ...many.map((count) => speedUp(step, numbers, count, network.bits, timeOf(1, numbers)).toFixed(1)),
      ]),
    );
    return {
      body: `The exchange of one step: each rank gives each other one its stretch of the gradient, adds up
what it gets in the order of ranks, and gives the sum to all (training/steps/sums.ts). Median of ${turns} steps;
Open MPI's shared memory on one machine, loopback only.

${table(["ranks", ...sizes.map((size) => `${whole(size)} trained numbers`)], measured)}

## The model, checked

A rank sends \`2 P (n - 1) / n\` numbers of a gradient of P. What it copies and adds up is taken from 1 rank, which
sends nothing. What sending through shared memory takes is taken from 4 ranks, which share ${cpus().length} cores. Against what 2 ranks
took, which neither is taken from:

${table(["trained numbers", "2 ranks, measured", "by the model", "ratio"], checked)}

## More machines (modelled, not measured)

Speed-up of a step of 512 images against one machine of this kind. Step times are those of docs/speed.md. The exchange is what 1
rank took above, the bytes at the speed of the network, and ${latency} ms for each message. No transfer is counted as overlapped,
so real runs with more than one part a rank lose less. At 512 machines a step of 512 images is one image for each.

${table(["network and trained numbers", "link", ...many.map((count) => `${count} machines`)], modelled)}`,
    };
  },
});
