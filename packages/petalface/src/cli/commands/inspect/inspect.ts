import { readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { itemAt } from "onnx-grad";
import { leftOutOf, nestedLine } from "../../../api/data.ts";
import { resultFile } from "../../../api/results.ts";
import { isCheckpoint } from "../../../checkpoints/index.ts";
import { isVerification, manifestExtensions, openData, printUnreadable } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { loadEvaluation, printTable, withoutDetail } from "../../../evaluation/index.ts";
import { openLoader } from "../../../images/index.ts";
import { knownModels, type ModelChoices } from "../../../models/index.ts";
import { refusePlaceholder } from "../../../placeholder.ts";
import { printCalibration } from "../../../quality/index.ts";
import { readSafetensors } from "../../../tensors/index.ts";
import { readRun } from "../../../training/index.ts";
import { inspectCheckpoint } from "./checkpoint.ts";
import type { Inspection } from "./inspection.ts";
import { inspectModel } from "./model.ts";
import { presetDifferences, printDifferences } from "./presets.ts";

const count = (value: number): string => value.toLocaleString("en");

/** Faces that are decoded to see whether a set is usable. */
const SAMPLES = 16;

async function run(folder: string): Promise<Inspection> {
  const record = await readRun(folder);
  const { options, adapter, trained, data } = record;
  const lines = [
    `${folder}: a run of petalface adapt, method ${options.method}, ${record.steps} steps of ${options.batch} images`,
    `model: ${record.model.name} (sha256 ${record.model.sha256})`,
    `data: ${data.spec}, ${count(data.images)} faces of ${count(data.people)} people`,
    `trained: ${count(trained.parameters)} numbers, ${(100 * trained.share).toFixed(2)} % of the model's, ${adapter.sites.length} layers, rank ${adapter.rank}, gate ${adapter.gate}`,
    printCalibration(adapter.calibration),
    "",
    `options, where this run (preset ${options.preset}) or one of the presets has another:`,
  ];
  const presets = presetDifferences(options, record.model.family);
  const text = [...lines, printDifferences(presets)].join("\n");
  return { document: { kind: "run", folder, ...record, presets }, text };
}

function presets(): Inspection {
  const differences = presetDifferences();
  const note = "reference is the recipe for Swin; a ViT or IResNet of petalface import has its own recipe";
  return {
    document: { kind: "presets", presets: differences },
    text: `where the presets differ:\n${printDifferences(differences)}\n${note}`,
  };
}

async function adapter(folder: string): Promise<Inspection> {
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
  const lines = [
    `${folder}: an adapter of ${count(parameters)} numbers in ${tensors.size} tensors`,
    ...Object.entries(config).map(([key, value]) => `${key}: ${show(value)}`),
  ];
  return { document: { kind: "adapter", folder, parameters, tensors: tensors.size, config }, text: lines.join("\n") };
}

/** A value of a configuration for people: parts one after the other. */
function show(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return value.map(show).join(", ");
  return Object.entries(value)
    .map(([key, part]) => `${key} ${show(part)}`)
    .join(", ");
}

async function dataSet(spec: string, mostLeftOut?: number): Promise<Inspection> {
  const data = await openData(spec, { mostLeftOut });
  const perPerson = new Uint32Array(data.people.length);
  for (let index = 0; index < data.length; index++) {
    const { person } = data.at(index);
    if (person >= 0) perPerson[person] = itemAt(perPerson, person) + 1;
  }
  const sorted = perPerson.toSorted();
  const facesPerPerson =
    sorted.length === 0
      ? null
      : { least: sorted[0], median: sorted[Math.floor(sorted.length / 2)], most: sorted[sorted.length - 1] };
  const step = Math.max(1, Math.floor(data.length / SAMPLES));
  const problems: string[] = [];
  let tried = 0;
  const loader = openLoader({ size: 112, threads: 0 });
  for (let index = 0; index < data.length && tried < SAMPLES; index += step) {
    const { source } = data.at(index);
    if (source.kind === "synthetic") break;
    tried++;
    await loader.load([{ source, flip: false }], (_, error) => problems.push(error.message));
  }
  await loader.close();
  const lines = [
    `${spec}: ${count(data.length)} faces${facesPerPerson ? ` of ${count(data.people.length)} people` : ", of unknown people"}`,
    ...(facesPerPerson
      ? [`faces a person: ${facesPerPerson.least} to ${facesPerPerson.most}, median ${facesPerPerson.median}`]
      : []),
    ...(data.nested === undefined ? [] : [nestedLine(data.nested)]),
    ...(data.unreadable?.count ? [printUnreadable(data.unreadable) ?? ""] : []),
    ...(data.skipped ? [`${count(data.skipped)} other files were left out`] : []),
    ...(tried > 0
      ? [`${tried} checked: ${problems.length === 0 ? "all are usable" : `${problems.length} are not`}`]
      : []),
    ...problems.map((problem) => `  ${problem}`),
    `fingerprint: ${data.fingerprint}`,
  ];
  const document = {
    kind: "data",
    spec,
    faces: data.length,
    people: data.people.length,
    facesPerPerson,
    skipped: data.skipped ?? 0,
    leftOut: leftOutOf(data),
    nested: data.nested ?? null,
    looked: tried,
    problems,
    fingerprint: data.fingerprint,
  };
  return { document, text: lines.join("\n") };
}

async function evaluation(path: string): Promise<Inspection> {
  const result = await loadEvaluation(path);
  const text = `${path}: a result of petalface evaluate on ${result.protocol.name}\n${printTable([{ name: "model", result }])}`;
  return { document: { kind: "evaluation", path, ...withoutDetail(result) }, text };
}

/** What a folder of results holds, or undefined if it is none. */
async function evaluations(folder: string): Promise<Inspection | undefined> {
  const load = async (name: "frozen" | "adapted") => {
    const path = join(folder, resultFile(name));
    return (await isFile(path)) ? { name, result: await loadEvaluation(path) } : undefined;
  };
  const [frozen, adapted] = [await load("frozen"), await load("adapted")];
  const found = [frozen, adapted].filter((each) => each !== undefined);
  const [first] = found;
  if (first === undefined) return undefined;
  const document = {
    kind: "evaluations",
    path: folder,
    frozen: frozen === undefined ? null : withoutDetail(frozen.result),
    adapted: adapted === undefined ? null : withoutDetail(adapted.result),
  };
  const what = `${folder}: results of petalface evaluate on ${first.result.protocol.name}`;
  return { document, text: `${what}\n${printTable(found)}` };
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );

/**
 * Finds out what a thing is (a model, checkpoint, run, adapter, data set, tensor file or result)
 * and describes it. `mostLeftOut` is the share of a data set's images that may be unreadable.
 * Throws PetalfaceError.
 */
export async function inspect(
  thing: string,
  { mostLeftOut, ...choices }: ModelChoices & { readonly mostLeftOut?: number | undefined } = {},
): Promise<Inspection> {
  if (thing === "presets") return presets();
  if (knownModels.some(({ name }) => name === thing)) return inspectModel(thing, choices);
  if (await isFile(join(thing, "run.json"))) return run(thing);
  if (await isFile(join(thing, "adapter_config.json"))) return adapter(thing);
  const results = await evaluations(thing);
  if (results !== undefined) return results;
  const ending = extname(thing).toLowerCase();
  if (ending === ".bin" && (await isVerification(thing))) return dataSet(thing, mostLeftOut);
  if (await isCheckpoint(thing)) return inspectCheckpoint(thing);
  if (await isFile(thing)) {
    if (ending === ".json") return evaluation(thing);
    if (ending === ".rec" || manifestExtensions.has(ending)) return dataSet(thing, mostLeftOut);
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
  return dataSet(thing, mostLeftOut);
}
