import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Graph, writeModel } from "onnx-grad";
import { type Adapter, exportedGraph, exportLevels, inPrecision, openLevels } from "petalface/adapters";
import { type Backbone, type Embedder, openEmbedder } from "petalface/backbones";
import type { FaceData } from "petalface/data";
import {
  compareResults,
  type EvaluationResult,
  evaluate,
  type PairList,
  percent,
  protocolOfPairs,
} from "petalface/evaluation";
import type { Loader } from "petalface/images";
import { differenceCell, measureIn } from "../faces/table.ts";
import { table } from "../skeleton/page.ts";
import { median } from "../skeleton/statistics.ts";
import { inTurns, processorSeconds } from "../skeleton/turns.ts";
import type { Faces } from "./runtimes.ts";

/** One way to deploy the adapter. */
export interface Form {
  readonly name: string;
  readonly embedder: Embedder;
  /** Bytes of its file or files. */
  readonly bytes: number;
}

const session = { threads: 1 };
const pixels = 16;

/**
 * The frozen model, the gated one in every precision, and levels of it; each written and opened
 * again.
 */
export async function openForms(
  folder: string,
  backbone: Backbone,
  adapter: Adapter,
  levels: number,
  { examples, loader, batch }: { examples: FaceData; loader: Loader; batch: number },
): Promise<Form[]> {
  const open = async (name: string, graph: Graph, file: string): Promise<Form> => {
    await writeModel(graph, join(folder, file));
    const [output = "", alpha] = graph.outputs;
    const model = { ...backbone, graph, output, ...(alpha !== undefined && { alpha }) };
    const { size: bytes } = await stat(join(folder, file));
    return { name, embedder: await openEmbedder(model, { ...session, batch }), bytes };
  };
  async function* batches() {
    for (let start = 0; start < examples.length; start += 16) {
      const part = Array.from({ length: Math.min(16, examples.length - start) }, (_, i) => examples.at(start + i));
      const degrade = (start / 16) % 2 === 0 ? undefined : ({ kind: "lr", pixels } as const);
      const planes = await loader.load(part.map(({ source }) => ({ source, flip: false, degrade })));
      yield { planes, count: part.length };
    }
  }
  const gated = await exportedGraph(backbone, adapter, "quality");
  const forms = [await open("frozen", backbone.graph, "frozen.onnx"), await open("gated", gated, "gated.onnx")];
  for (const precision of ["fp16", "int8", "int8-dynamic"] as const) {
    const graph = await inPrecision(backbone, gated, precision, batches(), session);
    forms.push(await open(`gated, ${precision}`, graph, `${precision}.onnx`));
  }
  const place = join(folder, "levels");
  const written = await exportLevels(place, backbone, adapter, levels);
  let bytes = 0;
  for (const { file } of [written.quality, ...written.levels]) bytes += (await stat(join(place, file))).size;
  const served = await openLevels(place, backbone, { ...session, batch });
  return [...forms, { name: `${levels} levels, quality included`, embedder: served, bytes }];
}

/** Faces a second of processor time: the median over batches that all forms take in turn. */
export async function ratesOf(forms: readonly Form[], { planes, count, batch }: Faces): Promise<number[]> {
  const rounds = count / batch - 1;
  const turns = forms.map(({ embedder }) => (round: number) => {
    const part = planes.subarray(((round + 1) * batch * planes.length) / count);
    return processorSeconds(() => embedder.embed(part, batch));
  });
  return (await inTurns(turns, { rounds })).map((seconds) => batch / median(seconds));
}

/** Accuracy of every form on the same pairs: sharp, and at 16 px. */
export async function accuraciesOf(
  forms: readonly Form[],
  task: { readonly data: FaceData; readonly pairs: PairList; readonly loader: Loader },
): Promise<EvaluationResult[]> {
  const results: EvaluationResult[] = [];
  const { loader } = task;
  const protocol = protocolOfPairs(task.pairs, task.data);
  for (const { name, embedder } of forms) {
    results.push(await evaluate({ model: embedder, protocol, loader, degradations: [`lr:${pixels}`] }));
    console.error(`${name}: measured`);
  }
  return results;
}

const keys = ["accuracy/sharp", `accuracy/lr:${pixels}`, `accuracy/mixed:${pixels}`, `rank1/mixed:${pixels}`];

/**
 * Speed, size and accuracy of every form, and its paired difference from the gated one in float32.
 */
export function renderForms(
  forms: readonly Form[],
  rates: readonly number[],
  results: readonly EvaluationResult[],
): string {
  const gated = forms.findIndex(({ name }) => name === "gated");
  const rows = forms.map(({ name, bytes }, place) => {
    const own = results[place];
    const compared = place === gated ? undefined : compareResults(results[gated], own);
    const cells = keys.map((key) => {
      const value = percent(measureIn(own, key)?.value ?? Number.NaN);
      return compared === undefined ? value : `${value} (${differenceCell(compared, key, { digits: 2 })})`;
    });
    return [name, (bytes / 1e6).toFixed(1), (rates[place] ?? 0).toFixed(0), ...cells];
  });
  return table(["form", "MB", "faces/s", "HR", "LR 16", "mix 16", "rank-1 16"], rows);
}
