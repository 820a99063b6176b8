import { table } from "../skeleton/page.ts";
import { median, timesOurs } from "../skeleton/statistics.ts";

/** One contender on one network and batch. */
export interface Row {
  readonly network: string;
  readonly batch: number;
  readonly contender: string;
  /** Seconds a step, one number a round. */
  readonly seconds: readonly number[];
  /** Ours in the same rounds. */
  readonly ours: readonly number[];
  /** Seconds from the start of the process to the end of the first step. */
  readonly startup: number;
  /** Peak of resident memory in bytes. */
  readonly peak: number;
  /** Floating point operations of a step in thousands of millions. */
  readonly gflops: number;
  /** Relative error of the gradient against PyTorch in double precision. */
  readonly error: number | undefined;
  /** The machine's limit for this contender's library, GFLOP/s. */
  readonly limit: number;
}

/** Where and with what it was measured. */
export interface Setting {
  readonly cpu: string;
  readonly cores: number;
  readonly threads: number;
  readonly limit: { readonly ours: number; readonly torch: number };
  readonly versions: string;
}

/** What a result page begins with: what is measured, and how its tables read. */
export function renderIntroduction(task: "step" | "embed"): string {
  const { title, text, error } = task === "step" ? aboutStep : aboutEmbed;
  return `${title}

${text} Same weights and inputs for all, timed alternately. Times relative to ours: median over the rounds, in brackets the
smallest and largest; above 1 we are faster. Limit: the arithmetic of the products against what 1024 x 1024 matrices reach in the same library.
Peak: resident memory of the whole process; PyTorch's counts from after loading. Start: from launch to the first one done. Error: of our
${error} against PyTorch's in double precision, relative. Each run of the benchmark appends its table.
`;
}

/** The table of one run and where it was made. */
export function renderRun(task: "step" | "embed", rows: readonly Row[], setting: Setting): string {
  const { cpu, cores, threads, limit, versions } = setting;
  const networks = [...new Set(rows.map((row) => row.network))].join();
  const batches = [...new Set(rows.map((row) => row.batch))].join();
  return `
## ${networks}

    npm run bench -- ${task} --networks ${networks} --batch ${batches}

${cpu}, ${cores} cores, ${threads} threads; products of 1024 x 1024: onnxruntime ${limit.ours.toFixed(0)} GFLOP/s, PyTorch ${limit.torch.toFixed(0)}; ${versions}.

${table(head, rows.map(line))}
`;
}

const head = [
  "network",
  "batch",
  "contender",
  "ms",
  "times ours",
  "images/s",
  "of the limit",
  "peak GB",
  "start s",
  "error",
];

const aboutStep = {
  title: "# One training step",
  text: `Forward, backward and AdamW of rank-16 adapters: petal's on the convolutional networks, the paper's twin (8 + 8) on qkv of Swin blocks (swin: 18 of dim
768, 4 windows of 25 tokens, 16 heads; swin_256new: PETALface's whole network).`,
  error: "first gradient",
};

const aboutEmbed = {
  title: "# Embedding a batch",
  text: "The frozen network alone, as `petalface embed` runs it. onnxruntime: its Python package on the same file.",
  error: "embeddings",
};

function line(row: Row): string[] {
  const seconds = median(row.seconds);
  return [
    row.network,
    String(row.batch),
    row.contender,
    (seconds * 1000).toFixed(0),
    row.seconds === row.ours ? "1" : timesOurs(row.seconds, row.ours),
    (row.batch / seconds).toFixed(1),
    `${((100 * row.gflops) / seconds / row.limit).toFixed(0)} %`,
    (row.peak / 1e9).toFixed(2),
    row.startup.toFixed(1),
    row.error === undefined ? "" : row.error.toExponential(1),
  ];
}
