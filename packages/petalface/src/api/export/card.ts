import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Adapter } from "../../adapters/index.ts";
import type { Backbone } from "../../backbones/index.ts";
import { printThresholds, type Thresholds } from "../../deploy/index.ts";
import { loadEvaluation, measureLabel } from "../../evaluation/index.ts";
import { adapterCard, readRun } from "../../training/index.ts";
import { evaluationFolder, resultFile } from "../evaluate/results.ts";

/** What a model card is about. */
export interface CardSubject {
  readonly backbone: Backbone;
  readonly adapter: Adapter | undefined;
  /** The run or folder that the adapter is from. */
  readonly run: string | undefined;
  readonly thresholds: Thresholds | undefined;
  /** Files that were written. */
  readonly files: readonly string[];
  /** How mirror images that are embedded too are weighted: `1 - alpha`, or a number. */
  readonly mirror?: string | undefined;
}

const percent = ({
  value,
  low,
  high,
}: {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}): string => `${(100 * value).toFixed(1)} ± ${(50 * (high - low)).toFixed(1)}`;

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );

/**
 * The results of a run as a table: a row for each measure, frozen and adapted. Empty where it was
 * not evaluated.
 */
async function results(run: string): Promise<string[]> {
  const [frozen, adapted] = (["frozen", "adapted"] as const).map((name) =>
    join(run, evaluationFolder, resultFile(name)),
  );
  if (frozen === undefined || adapted === undefined || !((await isFile(frozen)) && (await isFile(adapted)))) return [];
  const [before, after] = [await loadEvaluation(frozen), await loadEvaluation(adapted)];
  const rows = after.measures.flatMap((measure) => {
    const old = before.measures.find(({ key }) => key === measure.key);
    return old === undefined ? [] : [`| ${measureLabel(measure)} | ${percent(old)} | ${percent(measure)} |`];
  });
  return [
    `Protocol: ${after.protocol.name}. Per cent, ± half the 95 % interval (bootstrap over people).`,
    "",
    "| measure | model as it was | with the adapter |",
    "| --- | --- | --- |",
    ...rows,
  ];
}

/**
 * A model card in Markdown for an exported file: the model, the adapter, what was measured, and
 * thresholds (after Mitchell et al., "Model Cards for Model Reporting", FAT* 2019). What was not
 * measured is named as such.
 *
 * @throws PetalfaceError where results next to the run cannot be read
 */
export async function modelCard({ backbone, adapter, run, thresholds, files, mirror }: CardSubject): Promise<string> {
  const { name, sha256, mean, scale, channels } = backbone.spec;
  const record = run !== undefined && (await isFile(join(run, "run.json"))) ? await readRun(run) : undefined;
  const measured = run === undefined ? [] : await results(run);
  const about =
    adapter === undefined
      ? ["The model as it was, without an adapter."]
      : record === undefined
        ? ["Its adapter came without the record of its training."]
        : adapterCard(record, adapter)
            .trimEnd()
            .split("\n")
            .map((line) => line.replace(/^#/, "##"));
  const lines = [
    `# ${name}, as petalface exported it`,
    "",
    ...files.map((file) => `- File: ${file}`),
    `- Made from ${name}, SHA-256 ${sha256}.`,
    `- Input: a face of ${backbone.size} x ${backbone.size} px, ${channels}, (pixel - ${mean.join(", ")}) * ${scale.join(", ")}.`,
    `- Output: ${backbone.width} numbers; compare two faces by their cosine.`,
    ...(mirror === undefined
      ? []
      : [
          `- It adds the embedding of the mirror image${mirror === "1" ? "" : `, weighted by ${mirror}`}. Results are without it.`,
        ]),
    "",
    ...about,
    "",
    "## Results",
    "",
    ...(measured.length > 0
      ? measured
      : ["Not measured: `petalface evaluate` writes its results into the run, and then they are here."]),
    "",
    "## Thresholds",
    "",
    ...(thresholds === undefined
      ? ["Not measured: `petalface threshold`."]
      : printThresholds(thresholds).map((line, at) => (at === 0 ? `${line}\n` : `- ${line.trim()}`))),
  ];
  return `${lines.join("\n")}\n`;
}
