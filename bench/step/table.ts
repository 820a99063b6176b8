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

/** What a result page begins with: what is measured, and how its tables read. */
export const introduction = (task: "step" | "embed"): string =>
  `${task === "step" ? aboutStep : aboutEmbed} Same weights
and inputs for all, timed alternately. Times relative to ours: median over the rounds, in brackets the smallest and
largest; above 1 we are faster. Limit: the arithmetic of the products against what 1024 x 1024 matrices reach in the same
library. Peak: resident memory of the whole process; PyTorch's counts from after loading. Start: from launch to the first
one done. Error: of our ${task === "step" ? "first gradient" : "embeddings"} against PyTorch's in double precision, relative. Each run of the benchmark appends its table.`;

/** The table of one run. */
export const renderRun = (rows: readonly Row[]): string => table(head, rows.map(line));

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

const aboutStep = `Forward, backward and AdamW of rank-16 adapters: petal's on the convolutional networks, the paper's twin (8 + 8) on qkv
of Swin blocks (swin: 18 of dim 768, 4 windows of 25 tokens, 16 heads; swin_256new: PETALface's whole network).`;

const aboutEmbed = `The frozen network alone, as \`petalface embed\` runs it. onnxruntime: its Python package on the same file.`;

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
