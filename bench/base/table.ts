import { cpus } from "node:os";
import { type Cell, renderModel } from "../faces/table.ts";
import { pairs } from "./plan.ts";
import type { StepCost } from "./speed.ts";

/** What a whole training cost, without its evaluation. */
export interface RunCost {
  /** Processor time in seconds, all threads together, from the start of the process to the last step. */
  readonly processor: number;
  /** Peak of resident memory in bytes. */
  readonly peak: number;
}

/** What hybrid.py says about the network's own training. */
export interface Learned {
  readonly steps: number;
  readonly seconds: number;
  /** Mean cosine to MobileFaceNet's embedding over photos that were not learned from. */
  readonly cosine: number;
}

/** Everything that one page tells. */
export interface Page {
  readonly command: string;
  readonly cells: readonly (Cell & { readonly cost: RunCost })[];
  readonly steps: readonly StepCost[];
  readonly learned: Learned;
  readonly threads: number;
}

/** The page of `npm run bench -- base`. */
export function renderBase({ command, cells, steps, learned, threads }: Page): string {
  const exact = median(steps[0]?.processor ?? []);
  const lines = steps.map(({ base, processor, peak, error }) => {
    const ratios = processor.map((time, round) => (steps[0]?.processor[round] as number) / time);
    const runs = cells.filter(({ job }) => job.contender.name === base);
    return row([
      base,
      median(processor).toFixed(0),
      `${(exact / median(processor)).toFixed(2)} [${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}]`,
      (peak / 2 ** 20).toFixed(0),
      error === 0 ? "-" : `${(100 * error).toFixed(1)} %`,
      mean(runs.map(({ cost }) => cost.processor)).toFixed(0),
      (mean(runs.map(({ cost }) => cost.peak)) / 2 ** 20).toFixed(0),
    ]);
  });
  const header = [
    "frozen weights",
    "a step: ms",
    "times as fast",
    "MB",
    "gradient off by",
    "whole `adapt`: processor s",
    "MB",
  ];
  return `# 8-bit frozen weights on a trained transformer

    npm run bench -- base ${command}

The network: MobileFaceNet up to \`features.8\`, four transformer blocks (384 wide, 6 heads, 49 tokens, MLP 1536), MobileFaceNet's last two layers. The blocks learned in ${learned.steps} steps of 32 to
give MobileFaceNet's own last map of the photos below and their mirror images; on photos not learned from the embeddings have a mean cosine of ${learned.cosine.toFixed(3)} to MobileFaceNet's. Adapters (preset petal)
sit on qkv, proj, fc1 and fc2 of the blocks. Trained on LFW people who are in no pair of folds 1 to 6 of View 2, measured on folds 1 to 3; the adapter is used on the exact
weights. HR: both faces sharp; LR k: both shrunk to k x k pixels and enlarged; mix k: sharp against k, each side in turn.

${cpus()[0]?.model.trim()}, ${threads} thread${threads === 1 ? "" : "s"}; Node ${process.versions.node}. A step: 32 noise images, forwards, backwards and AdamW, median processor time of ${steps[0]?.processor.length} rounds, alternately, and the
least and largest ratio. The whole training holds the pixels and MobileFaceNet's part of the network besides.

${[row(header), row(header.map(() => "---")), ...lines].join("\n")}

${renderModel("Accuracy", cells, pairs)}`;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
