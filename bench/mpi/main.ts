/** What training on several ranks costs a step, and what it would gain on more machines. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { table, whole } from "../skeleton/page.ts";

const run = promisify(execFile);
const sizes = [200_000, 1_400_000, 20_000_000];
const counts = [1, 2, 4];

interface Timing {
  readonly numbers: number;
  readonly milliseconds: number;
}

/** Times of one number of ranks, on this machine. */
async function measure(launcher: string, count: number, turns: number): Promise<Timing[]> {
  const program = join(import.meta.dirname, "ranks.ts");
  const options = ["--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader"];
  const { stdout } = await run(launcher, [
    ...options,
    "-n",
    String(count),
    process.execPath,
    program,
    sizes.join(),
    String(turns),
  ]);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "[]") as Timing[];
}

/** A step's exchange: `fixed` ms, and `each` ms for a number that a rank sends or adds up. */
interface Model {
  readonly fixed: number;
  readonly each: number;
}

/** Numbers that a rank sends, twice its gradient but for its own stretch, and as many that it gets. */
const sent = (numbers: number, count: number): number => (2 * numbers * (count - 1)) / count;

/** The model that goes through two measured points of one number of ranks. */
function modelThrough(timings: readonly Timing[], count: number): Model {
  const [low, high] = [timings[0], timings.at(-1)];
  if (low === undefined || high === undefined) throw new Error("nothing was measured");
  const each = (high.milliseconds - low.milliseconds) / (sent(high.numbers, count) - sent(low.numbers, count));
  return { fixed: Math.max(0, low.milliseconds - each * sent(low.numbers, count)), each };
}

/** Steps of 512 images on one machine of this kind, in ms: from `bench -- step` (docs/speed.md), 8 images at a time. */
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
function speedUp(step: number, numbers: number, count: number, bits: number, local: Model): number {
  const amount = sent(numbers, count);
  const network = (amount * 32 * 1000) / bits + 2 * (count - 1) * latency;
  return step / (step / count + local.fixed + local.each * amount + network);
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
    note: { help: "a sentence on the machine's state, such as that other programs were running", default: "" },
  },
  async run({ mpirun, turns, note }) {
    process.env.OMPI_ALLOW_RUN_AS_ROOT = "1";
    process.env.OMPI_ALLOW_RUN_AS_ROOT_CONFIRM = "1";
    const all = new Map<number, Timing[]>();
    for (const count of counts) all.set(count, await measure(mpirun, count, turns));
    const four = all.get(4) ?? [];
    const local = modelThrough(four, 4);
    const measured = counts.map((count) => [
      String(count),
      ...(all.get(count) ?? []).map(({ milliseconds }) => `${milliseconds.toFixed(1)} ms`),
    ]);
    const checked = (all.get(2) ?? []).map(({ numbers, milliseconds }) => {
      const predicted = local.fixed + local.each * sent(numbers, 2);
      return [
        whole(numbers),
        `${milliseconds.toFixed(1)} ms`,
        `${predicted.toFixed(1)} ms`,
        (predicted / milliseconds).toFixed(2),
      ];
    });
    const modelled = steps.flatMap(({ name, numbers, step }) =>
      networks.map((network) => [
        ...[name, network.name],
        ...many.map((count) => speedUp(step, numbers, count, network.bits, local).toFixed(1)),
      ]),
    );
    return {
      body: `${note === "" ? "" : `**${note}**\n\n`}The exchange of one step: each rank gives each other one its stretch of the gradient, adds up
what it gets in the order of ranks, and gives the sum to all (training/steps/sums.ts). Median of ${turns} steps;
Open MPI's shared memory on one machine, loopback only.

${table(["ranks", ...sizes.map((size) => `${whole(size)} trained numbers`)], measured)}

## The model, checked

A rank sends \`2 P (n - 1) / n\` numbers of a gradient of P. From the smallest and the largest gradient on 4 ranks:
${local.fixed.toFixed(2)} ms and ${(local.each * 1e6).toFixed(2)} ms for a million numbers sent. Against what 2 ranks took:

${table(["trained numbers", "2 ranks, measured", "by the model", "ratio"], checked)}

## More machines (modelled, not measured)

Speed-up of a step of 512 images against one machine of this kind. Step times are those of docs/speed.md. The exchange is the model
above, the bytes at the speed of the network, and ${latency} ms for each message. No transfer is counted as overlapped, so real
runs with more than one part a rank lose less.

${table(["network and trained numbers", "link", ...many.map((count) => `${count} machines`)], modelled)}`,
    };
  },
});
