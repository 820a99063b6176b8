import { readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { isCheckpoint } from "../../checkpoints/index.ts";
import { isVerification, manifestExtensions } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type EvaluationResult, loadEvaluation } from "../../evaluation/index.ts";
import { knownModels, type ModelChoices } from "../../models/index.ts";
import { refusePlaceholder } from "../../placeholder.ts";
import { readSafetensors } from "../../tensors/index.ts";
import { type RunRecord, readRun } from "../../training/index.ts";
import { resultFile } from "../evaluate/results.ts";
import { type CheckpointInspection, inspectCheckpoint } from "./checkpoint.ts";
import { type DataSetInspection, inspectDataSet } from "./data-set.ts";
import { inspectModel, type ModelInspection } from "./model.ts";
import { type PresetDifferences, presetDifferences } from "./presets.ts";

/** A run of `petalface adapt`. */
export interface RunInspection {
  readonly kind: "run";
  readonly folder: string;
  readonly record: RunRecord;
  /** Options in which the presets differ from each other or from the run. */
  readonly presets: PresetDifferences;
}

/** The presets of training. */
export interface PresetsInspection {
  readonly kind: "presets";
  readonly presets: PresetDifferences;
}

/** An adapter's folder. */
export interface AdapterInspection {
  readonly kind: "adapter";
  readonly folder: string;
  readonly parameters: number;
  readonly tensors: number;
  readonly config: Readonly<Record<string, unknown>>;
}

/** A result of `petalface evaluate`. */
export interface ResultInspection {
  readonly kind: "evaluation";
  readonly path: string;
  readonly result: EvaluationResult;
}

/** A folder of such results, one at least. */
export interface ResultsInspection {
  readonly kind: "evaluations";
  readonly path: string;
  readonly frozen: EvaluationResult | undefined;
  readonly adapted: EvaluationResult | undefined;
}

/** What a thing is, and what was found about it. */
export type Inspection =
  | RunInspection
  | PresetsInspection
  | AdapterInspection
  | ResultInspection
  | ResultsInspection
  | CheckpointInspection
  | DataSetInspection
  | ModelInspection;

/** How a thing is looked at. */
export interface InspectOptions extends ModelChoices {
  /** Share of a data set's images that may be unreadable. */
  readonly mostLeftOut?: number | undefined;
}

/**
 * Finds out what a thing is (a model, checkpoint, run, adapter, data set, tensor file or result)
 * and looks at it: `petalface inspect`. Throws PetalfaceError.
 */
export async function inspect(thing: string, options: InspectOptions = {}): Promise<Inspection> {
  const { mostLeftOut, ...choices } = options;
  if (thing === "presets") return { kind: "presets", presets: presetDifferences() };
  if (knownModels.some(({ name }) => name === thing)) return inspectModel(thing, choices);
  if (await isFile(join(thing, "run.json"))) return inspectRun(thing);
  if (await isFile(join(thing, "adapter_config.json"))) return inspectAdapter(thing);
  const results = await inspectResults(thing);
  if (results !== undefined) return results;
  const ending = extname(thing).toLowerCase();
  if (ending === ".bin" && (await isVerification(thing))) return inspectDataSet(thing, mostLeftOut);
  if (await isCheckpoint(thing)) return inspectCheckpoint(thing);
  if (await isFile(thing)) {
    if (ending === ".json") return { kind: "evaluation", path: thing, result: await loadEvaluation(thing) };
    if (ending === ".rec" || manifestExtensions.has(ending)) return inspectDataSet(thing, mostLeftOut);
    return inspectModel(thing, choices);
  }
  const exists = await stat(thing).then(
    () => true,
    () => false,
  );
  if (!exists && !/^synthetic(:|$)/.test(thing))
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `there is no "${thing}": give a model, a checkpoint, a run, an adapter, a data set or a result`,
    );
  return inspectDataSet(thing, mostLeftOut);
}

async function inspectRun(folder: string): Promise<RunInspection> {
  const record = await readRun(folder);
  return { kind: "run", folder, record, presets: presetDifferences(record.options, record.model.family) };
}

async function inspectAdapter(folder: string): Promise<AdapterInspection> {
  const path = join(folder, "adapter_config.json");
  let config: Record<string, unknown>;
  const text = await readFile(path, "utf8");
  refusePlaceholder(text, path);
  try {
    config = JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${path}: not valid JSON`, { cause: error });
  }
  const { tensors } = await readSafetensors(join(folder, "adapter_model.safetensors"));
  const sizes = [...tensors.values()].map((tensor) => tensor.shape.reduce((product, side) => product * side, 1));
  const parameters = sizes.reduce((sum, size) => sum + size, 0);
  return { kind: "adapter", folder, parameters, tensors: tensors.size, config };
}

/** What a folder of results holds, or undefined if it is none. */
async function inspectResults(folder: string): Promise<ResultsInspection | undefined> {
  const load = async (name: "frozen" | "adapted"): Promise<EvaluationResult | undefined> => {
    const path = join(folder, resultFile(name));
    return (await isFile(path)) ? await loadEvaluation(path) : undefined;
  };
  const [frozen, adapted] = [await load("frozen"), await load("adapted")];
  return frozen === undefined && adapted === undefined
    ? undefined
    : { kind: "evaluations", path: folder, frozen, adapted };
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
