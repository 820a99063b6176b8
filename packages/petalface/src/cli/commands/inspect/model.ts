import { printShape } from "onnx-grad";
import { printRows, type Site } from "../../../adapters/index.ts";
import type {
  LevelsInspection,
  ModelInspection,
  NetworkInspection,
  RecogniserInspection,
} from "../../../api/inspect/model.ts";
import { type Backbone, quantisedNodes } from "../../../backbones/index.ts";
import { printThresholds, thresholdsIn, thresholdsKey } from "../../../deploy/index.ts";
import { printArgument } from "../../../print-path.ts";
import { withFlags } from "../../flags.ts";
import { plainTable } from "../../table.ts";
import type { Description } from "./description.ts";

const count = (value: number): string => value.toLocaleString("en");
const share = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(2)} %`;
/** Three numbers, or the one that all of them are. */
const triple = (values: readonly number[]): string =>
  [...new Set(values)].length === 1 ? String(values[0]) : `[${values}]`;

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
      ? [`is that right? petalface inspect FACES --model ${printArgument(path)} compares it with other ways`]
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

function describeRecogniser({ backbone, list, defaults, ...found }: RecogniserInspection): Description {
  const verdict = withFlags(found.verdict);
  const { spec, size, width, parameters, graph } = backbone;
  const { sites, unfit } = list;
  const layout = (site: Site): string => printRows(graph.types.get(site.output)?.shape ?? [], site.rows);
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
  const thresholds = thresholdsIn(graph.metadata);
  const lines = [
    `${spec.name}: a face recogniser, ${size} x ${size} ${spec.channels.toUpperCase()} -> ${width} numbers`,
    verdict,
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
    verdict,
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

function describeNetwork({ path, graph, why }: NetworkInspection): Description {
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
    kind: "onnx",
    verdict: `not usable: ${reason}`,
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

function describeLevels({ path, levels, metadata }: LevelsInspection): Description {
  const thresholds = thresholdsIn(metadata);
  const says = `an exported file with alpha in ${levels} levels, for onnxruntime`;
  const lines = [
    `${path}: ${says}`,
    ...[...metadata].filter(([key]) => key !== thresholdsKey).map(([key, value]) => `${key}: ${value}`),
    ...(thresholds ? printThresholds(thresholds) : []),
  ];
  const document = {
    kind: "levels",
    verdict: says,
    path,
    metadata: Object.fromEntries(metadata),
    thresholds: thresholds ?? null,
  };
  return { document, text: lines.join("\n") };
}

/** A model, beginning with what can be done with it. */
export function describeModel(found: ModelInspection): Description {
  if (found.kind === "model") return describeRecogniser(found);
  return found.kind === "levels" ? describeLevels(found) : describeNetwork(found);
}
