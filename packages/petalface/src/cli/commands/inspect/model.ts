import { type Graph, printShape, readMetadata, readModel } from "onnx-grad";
import {
  printRows,
  proveSites,
  quantisedAdvice,
  type Site,
  type SiteList,
  selectSites,
} from "../../../adapters/index.ts";
import {
  alphaKey,
  type Backbone,
  imageShape,
  levelsAlpha,
  openBackbone,
  quantisedNodes,
} from "../../../backbones/index.ts";
import { printThresholds, thresholdsIn, thresholdsKey } from "../../../deploy/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { type ModelChoices, resolveModel } from "../../../models/index.ts";
import { plainTable } from "../../table.ts";
import type { Inspection } from "./inspection.ts";

const count = (value: number): string => value.toLocaleString("en");
const share = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(2)} %`;
/** Three numbers, or the one that all of them are. */
const triple = (values: readonly number[]): string =>
  [...new Set(values)].length === 1 ? String(values[0]) : `[${values}]`;

/** Names of the layers that are adapted by default; none where no layer is of such a kind. */
function defaultSites({ sites, unfit }: SiteList): ReadonlySet<string> {
  try {
    return new Set(selectSites(sites, "default", unfit).map(({ name }) => name));
  } catch (error) {
    if (error instanceof PetalfaceError) return new Set();
    throw error;
  }
}

/** What can be done with a recogniser, as the end of a sentence. */
function verdict(backbone: Backbone, { sites, unfit }: SiteList, adapted: number): string {
  const nodes = quantisedNodes(backbone.graph);
  if (nodes > 0) return `usable as it is, but ${quantisedAdvice(nodes)}`;
  const [first] = unfit;
  if (sites.length === 0)
    return `usable, but no layer can have an adapter${first ? ` (${first.op}: ${first.reason})` : ""}`;
  const all = sites.length + unfit.length;
  if (adapted === 0)
    return `usable; ${sites.length} of its ${all} layers can have an adapter, none has one by default: adapt with --sites all`;
  return `usable; ${adapted} of its ${all} layers are adapted by default`;
}

const sources = {
  option: "as given",
  metadata: "stated in its file",
  known: "petalface knows this file",
  graph: "found in its graph",
  assumed: "assumed, because the file does not state it",
} as const;

/** How the model is fed, how that is known, and how to check it where it is not. */
function feeding({ spec, source, normalisation, path }: Backbone): string[] {
  const { mean, scale, channels } = spec;
  const order = channels === "rgb" ? "red first (RGB)" : "blue first (BGR)";
  const known = source === undefined ? "" : `; ${sources[source]}`;
  const inner =
    normalisation &&
    `it normalises internally (${normalisation.ops.join(", ")}): ${normalisation.wants ? `it expects pixels as ${normalisation.wants}` : "the expected range of pixels is not clear from this"}`;
  return [
    `input: (x - ${triple(mean)}) * ${triple(scale)}, x from 0 to 255, ${order}${known}`,
    ...(inner ? [inner] : []),
    ...(source === "assumed" || source === "graph"
      ? [`is that right? petalface inspect FACES --model ${path} compares it with other ways`]
      : []),
  ];
}

/** How a file differs from the usual form, and what is done about it. */
function formOf({ form, graph, output }: Backbone): string[] {
  const others = graph.outputs.filter((name) => name !== output);
  if (form === undefined) return others.length > 0 ? [`further outputs: ${others.join(", ")}`] : [];
  const { input, output: out } = form;
  return [
    `in its file the input is ${input.dtype} ${input.layout === "nhwc" ? "[N, height, width, 3]" : "[N, 3, height, width]"}, the embedding ${out.dtype} [${["N", ...out.dims].join(", ")}]; inside petalface both are float32, and an exported file has them as here`,
  ];
}

async function recogniser(backbone: Backbone): Promise<Inspection> {
  const { spec, size, width, parameters, graph } = backbone;
  const list = await proveSites(backbone);
  const { sites, unfit } = list;
  const layout = (site: Site): string => printRows(graph.types.get(site.output)?.shape ?? [], site.rows);
  const defaults = defaultSites(list);
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
  const says = verdict(backbone, list, adapted.length);
  const thresholds = thresholdsIn(graph.metadata);
  const lines = [
    `${spec.name}: a face recogniser, ${size} x ${size} ${spec.channels.toUpperCase()} -> ${width} numbers`,
    says,
    ...feeding(backbone),
    ...formOf(backbone),
    `file: ${backbone.path}`,
    `sha256: ${spec.sha256}`,
    `weights: ${count(parameters)}, of which ${count(inSites)} (${share(inSites, parameters)}) lie in the ${adapted.length} layers that are adapted by default`,
    ...[...graph.metadata].filter(([key]) => key !== thresholdsKey).map(([key, value]) => `${key}: ${value}`),
    ...(thresholds ? printThresholds(thresholds) : []),
    "",
    plainTable([["LAYER", "OPERATOR", "IN", "OUT", "WEIGHTS", "ROWS", "ADAPTED"], ...rows], [2, 3, 4]),
    ...(unfit.length > 0 ? ["", `${unfit.length} layers cannot carry an adapter:`] : []),
    ...[...refused].map(([reason, number]) => `  ${number} x ${reason}`),
  ];
  const document = {
    kind: "model",
    verdict: says,
    path: backbone.path,
    ...spec,
    source: backbone.source ?? null,
    normalisation: backbone.normalisation ?? null,
    form: backbone.form ?? null,
    output: backbone.output,
    size,
    width,
    parameters,
    quantised: quantisedNodes(graph) > 0,
    metadata: Object.fromEntries(graph.metadata),
    thresholds: thresholds ?? null,
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
  const reason = why.startsWith(`${path}: `) ? why.slice(path.length + 2) : why;
  const lines = [
    `${path}: not usable: ${reason}`,
    `it is an ONNX model with ${graph.nodes.length} nodes, operator set ${graph.opset}`,
    "inputs:",
    ...inputs.map(line),
    "outputs:",
    ...outputs.map(line),
    ...[...graph.metadata].map(([key, value]) => `${key}: ${value}`),
  ];
  const metadata = Object.fromEntries(graph.metadata);
  const document = {
    ...{ kind: "onnx", verdict: `not usable: ${reason}`, path, opset: graph.opset, nodes: graph.nodes.length },
    ...{ inputs, outputs, metadata, why },
  };
  return { document, text: lines.join("\n") };
}

/**
 * Describes an exported file with alpha in levels, which is not opened; undefined for other files.
 */
function levelsFile(path: string): Inspection | undefined {
  const metadata = readMetadata(path);
  const alpha = metadata.get(alphaKey) ?? "";
  if (!alpha.startsWith(levelsAlpha)) return undefined;
  const thresholds = thresholdsIn(metadata);
  const says = `an exported file with alpha in ${alpha.slice(levelsAlpha.length)} levels, for onnxruntime`;
  const lines = [
    `${path}: ${says}`,
    ...[...metadata].filter(([key]) => key !== thresholdsKey).map(([key, value]) => `${key}: ${value}`),
    ...(thresholds ? printThresholds(thresholds) : []),
  ];
  const document = {
    ...{ kind: "levels", verdict: says, path },
    ...{ metadata: Object.fromEntries(metadata), thresholds: thresholds ?? null },
  };
  return { document, text: lines.join("\n") };
}

/**
 * Describes a model, beginning with what can be done with it. Throws PetalfaceError or
 * OnnxGradError if the file cannot be read.
 */
export async function inspectModel(name: string, choices: ModelChoices): Promise<Inspection> {
  try {
    return await recogniser(await openBackbone(name, choices));
  } catch (error) {
    // What was asked wrongly is not a finding about the model.
    const isAbout = error instanceof Error && /^(PetalfaceError|OnnxGradError)$/.test(error.name);
    if (!isAbout || (error instanceof PetalfaceError && error.exitCode === 2)) throw error;
    // An exported model that takes alpha as an input, or any other network is still worth
    // describing, if it can be read.
    const { path } = await resolveModel(name);
    const levels = levelsFile(path);
    if (levels !== undefined) return levels;
    const graph = await readModel(path, { shapes: (input, stated) => imageShape(path, input, stated, choices.size) });
    return anyModel(path, graph, error.message);
  }
}
