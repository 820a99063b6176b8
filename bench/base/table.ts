import { itemAt } from "onnx-grad";
import { type Cell, renderModel } from "../faces/table.ts";
import type { Usage } from "../skeleton/measured.ts";
import { megabytes, table } from "../skeleton/page.ts";
import { mean, median, range } from "../skeleton/statistics.ts";
import { pairs } from "./plan.ts";
import type { StepCost } from "./speed.ts";

/** What hybrid.py says about the network's own training. */
export interface Learned {
  readonly steps: number;
  readonly seconds: number;
  /** Mean cosine to MobileFaceNet's embedding over photos that were not learned from. */
  readonly cosine: number;
}

/** What was measured. */
export interface Findings {
  readonly cells: readonly (Cell & { readonly cost: Usage })[];
  readonly steps: readonly StepCost[];
  readonly learned: Learned;
  readonly threads: number;
}

/** The page of `npm run bench -- base`. */
export function renderBase({ cells, steps, learned, threads }: Findings): string {
  const exact = steps[0]?.processor ?? [];
  const rows = steps.map(({ base, processor, peak, error }) => {
    const ratios = processor.map((time, round) => itemAt(exact, round) / time);
    const costs = cells.filter(({ job }) => job.contender.name === base).map(({ cost }) => cost);
    return [
      base,
      (1000 * median(processor)).toFixed(0),
      `${(median(exact) / median(processor)).toFixed(2)} [${range(ratios)}]`,
      megabytes(peak),
      error === 0 ? "-" : `${(100 * error).toFixed(1)} %`,
      mean(costs.map((cost) => cost.processor)).toFixed(0),
      megabytes(mean(costs.map((cost) => cost.peak))),
    ];
  });
  return `The network: MobileFaceNet up to \`features.8\`, four transformer blocks (384 wide, 6 heads, 49 tokens, MLP 1536),
MobileFaceNet's last two layers. The blocks learned in ${learned.steps} steps of 32 to give MobileFaceNet's own last map of the
photos below and their mirror images; on photos not learned from the embeddings have a mean cosine of ${learned.cosine.toFixed(3)} to
MobileFaceNet's. Adapters (preset petal) sit on qkv, proj, fc1 and fc2 of the blocks. Trained on LFW people who are in no
pair of folds 1 to 6 of View 2, measured on folds 1 to 3; the adapter is used on the exact weights. HR: both faces sharp;
LR k: both shrunk to k x k pixels and enlarged; mix k: sharp against k, each side in turn.

A step on ${threads} thread${threads === 1 ? "" : "s"}: 32 noise images, forwards, backwards and AdamW, median processor time of ${exact.length} rounds,
alternately, and the least and largest ratio. The whole training holds the pixels and MobileFaceNet's part of the
network besides.

${table(
  [
    ...["frozen weights", "a step: ms", "times as fast", "MB", "gradient off by"],
    ...["whole `adapt`: processor s", "MB"],
  ],
  rows,
)}

${renderModel("Accuracy", cells, pairs)}`;
}
