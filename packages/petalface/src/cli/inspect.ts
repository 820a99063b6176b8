import { readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { type Graph, printShape, readModel } from "onnx-grad";
import { printRows, proveSites, type Site, selectSites } from "../adapters/index.ts";
import { type Backbone, openBackbone } from "../backbones/index.ts";
import { isCheckpoint } from "../checkpoints/index.ts";
import { isVerification, manifestExtensions, openData } from "../data/index.ts";
import { PetalfaceError } from "../errors.ts";
import { loadEvaluation, printTable, withoutDetail } from "../evaluation/index.ts";
import { openLoader } from "../images/index.ts";
import { knownModels, resolveModel } from "../models/index.ts";
import { printCalibration } from "../quality/index.ts";
import { readSafetensors } from "../tensors/index.ts";
import { readRun } from "../training/index.ts";
import { inspectCheckpoint } from "./inspect-checkpoint.ts";
import { presetDifferences, printDifferences } from "./presets.ts";
import { resultFile } from "./results.ts";
import { plainTable } from "./table.ts";

/** What was found: plain JSON with a `kind`, and the same for people. */
export interface Inspection {
  readonly document: { readonly kind: string } & Readonly<Record<string, unknown>>;
  readonly text: string;
}

const count = (value: number): string => value.toLocaleString("en");
const share = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(2)} %`;
/** Three numbers, or the one that all of them are. */
const triple = (values: readonly number[]): string =>
  [...new Set(values)].length === 1 ? String(values[0]) : `[${values}]`;

/** Faces that are decoded to see whether a set is usable. */
const SAMPLES = 16;

async function recogniser(backbone: Backbone): Promise<Inspection> {
  const { spec, size, width, parameters, graph } = backbone;
  const { sites, unfit } = await proveSites(backbone);
  const layout = (site: Site): string => printRows(graph.types.get(site.output)?.shape ?? [], site.rows);
  const defaults = new Set(sites.length === 0 ? [] : selectSites(sites, "default").map((site) => site.name));
  const rows = sites.map((site) => [
    site.name,
    site.kernel[0] * site.kernel[1] > 1 ? `${site.op} ${site.kernel.join("x")}` : site.op,
    String(site.inputs),
    String(site.outputs),
    count(site.parameters),
    layout(site),
    defaults.has(site.name) ? "yes" : "no",
  ]);
  const adapted = sites.filter((site) => defaults.has(site.name));
  const inSites = adapted.reduce((sum, site) => sum + site.parameters, 0);
  const refused = new Map<string, number>();
  for (const { op, reason } of unfit) refused.set(`${op}: ${reason}`, (refused.get(`${op}: ${reason}`) ?? 0) + 1);
  const lines = [
    `${spec.name}: a face recogniser, ${size} x ${size} ${spec.channels.toUpperCase()} -> ${width} numbers`,
    `file: ${backbone.path}`,
    `sha256: ${spec.sha256}`,
    `input: (x - ${triple(spec.mean)}) * ${triple(spec.scale)}, x from 0 to 255`,
    `weights: ${count(parameters)}, of which ${count(inSites)} (${share(inSites, parameters)}) lie in the ${adapted.length} layers that are adapted by default`,
    ...[...graph.metadata].map(([key, value]) => `${key}: ${value}`),
    "",
    plainTable([["LAYER", "OPERATOR", "IN", "OUT", "WEIGHTS", "ROWS", "ADAPTED"], ...rows], [2, 3, 4]),
    ...(unfit.length > 0 ? ["", `${unfit.length} layers cannot carry an adapter:`] : []),
    ...[...refused].map(([reason, number]) => `  ${number} x ${reason}`),
  ];
  const document = {
    kind: "model",
    path: backbone.path,
    ...spec,
    size,
    width,
    parameters,
    metadata: Object.fromEntries(graph.metadata),
    sites: sites.map((site) => ({ ...site, default: defaults.has(site.name) })),
    unfit,
  };
  return { document, text: lines.join("\n") };
}

function anyModel(path: string, graph: Graph, why: string): Inspection {
  const typed = (name: string): { name: string; dtype: string; shape: string } => {
    const type = graph.types.get(name);
    return { name, dtype: type?.dtype ?? "?", shape: printShape(type?.shape ?? []) };
  };
  const [inputs, outputs] = [graph.inputs.map(typed), graph.outputs.map(typed)];
  const line = ({ name, dtype, shape }: { name: string; dtype: string; shape: string }) =>
    `  ${name}: ${dtype} ${shape}`;
  const lines = [
    `${path}: an ONNX model with ${graph.nodes.length} nodes, operator set ${graph.opset}`,
    "inputs:",
    ...inputs.map(line),
    "outputs:",
    ...outputs.map(line),
    ...[...graph.metadata].map(([key, value]) => `${key}: ${value}`),
    `it cannot be adapted: ${why}`,
  ];
  const metadata = Object.fromEntries(graph.metadata);
  const document = {
    kind: "onnx",
    path,
    opset: graph.opset,
    nodes: graph.nodes.length,
    inputs,
    outputs,
    metadata,
    why,
  };
  return { document, text: lines.join("\n") };
}

async function model(name: string, normalize: string | undefined): Promise<Inspection> {
  try {
    return await recogniser(await openBackbone(name, normalize));
  } catch (error) {
    // An exported model that takes alpha as an input, or any other network is still worth describing, if it can be read.
    const { path } = await resolveModel(name);
    const graph = await readModel(path);
    return anyModel(path, graph, error instanceof Error ? error.message : String(error));
  }
}

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
  const note = "reference is the recipe for Swin; a ViT or IResNet of petalface import is trained in its own";
  return {
    document: { kind: "presets", presets: differences },
    text: `where the presets differ:\n${printDifferences(differences)}\n${note}`,
  };
}

async function adapter(folder: string): Promise<Inspection> {
  const path = join(folder, "adapter_config.json");
  let config: Record<string, unknown>;
  try {
    config = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
  } catch (error) {
    throw new PetalfaceError(`${path}: not valid JSON`, { cause: error });
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

async function dataSet(spec: string): Promise<Inspection> {
  const data = await openData(spec);
  const perPerson = new Uint32Array(data.people.length);
  for (let index = 0; index < data.length; index++) {
    const { person } = data.at(index);
    if (person >= 0) perPerson[person] = (perPerson[person] as number) + 1;
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
    `${spec}: ${count(data.length)} faces${facesPerPerson ? ` of ${count(data.people.length)} people` : ", nobody said of whom"}`,
    ...(facesPerPerson
      ? [`faces a person: ${facesPerPerson.least} to ${facesPerPerson.most}, median ${facesPerPerson.median}`]
      : []),
    ...(data.skipped ? [`${count(data.skipped)} other files were left out`] : []),
    ...(tried > 0
      ? [`${tried} looked at: ${problems.length === 0 ? "all are usable" : `${problems.length} are not`}`]
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

/** Finds out what a thing is (a model, checkpoint, run, adapter, data set, tensor file or result) and describes it. Throws PetalfaceError. */
export async function inspect(thing: string, normalize?: string): Promise<Inspection> {
  if (thing === "presets") return presets();
  if (knownModels.some(({ name }) => name === thing)) return model(thing, normalize);
  if (await isFile(join(thing, "run.json"))) return run(thing);
  if (await isFile(join(thing, "adapter_config.json"))) return adapter(thing);
  const results = await evaluations(thing);
  if (results !== undefined) return results;
  const ending = extname(thing).toLowerCase();
  if (ending === ".bin" && (await isVerification(thing))) return dataSet(thing);
  if (await isCheckpoint(thing)) return inspectCheckpoint(thing);
  if (await isFile(thing)) {
    if (ending === ".json") return evaluation(thing);
    if (ending === ".rec" || manifestExtensions.has(ending)) return dataSet(thing);
    return model(thing, normalize);
  }
  const exists = await stat(thing).then(
    () => true,
    () => false,
  );
  if (!exists && !/^synthetic(:|$)/.test(thing))
    throw new PetalfaceError(
      `there is no "${thing}": give a model, a checkpoint, a run, an adapter, a data set or a result`,
    );
  return dataSet(thing);
}
