import { join } from "node:path";
import { entryOf, type Graph, itemAt, printShape } from "onnx-grad";
import { type Backbone, fileForm, writeModelFile } from "../../backbones/index.ts";
import {
  type Contract,
  descriptionOf,
  enrolledNotes,
  fitGraph,
  formFor,
  type GateUse,
  placesOf,
  printThresholds,
  productThresholds,
  type Thresholds,
  thresholdsKey,
} from "../../deploy/index.ts";
import { cannotRead } from "../../errors.ts";
import { readGivenFile, writeFileSafely } from "../../files.ts";
import { type Preprocessing, parsePreprocessing, printNormalize } from "../../models/index.ts";
import { printPath } from "../../print-path.ts";
import { type FormFlags, formByHand } from "./form.ts";

/** A graph that is going to be deployed, in standard form. */
export interface Product {
  readonly backbone: Backbone;
  readonly graph: Graph;
  readonly judgement: GateUse;
  /** Thresholds that the file carries. */
  readonly thresholds?: Thresholds | undefined;
  /** How many levels alpha is rounded to in the graph. */
  readonly levels?: number | undefined;
}

/** What was written for one target, as `--json` has it. */
export interface Written {
  /** `plain` for a file made by hand. */
  readonly target: string;
  readonly files: readonly string[];
  readonly input: { readonly name: string; readonly shape: string };
  readonly output: { readonly name: string; readonly shape: string };
  readonly opset: number;
  readonly normalize: string;
  readonly channels: Preprocessing["channels"];
  /** In how many levels alpha is rounded; null where it is not. */
  readonly levels: number | null;
}

/** The folder of one of several targets. */
export const folderOf = (out: string, { name }: Contract, count: number): string =>
  count === 1 ? out : join(out, name);

/** Paths of everything that {@link deploy} writes. */
export function deployedFiles(flags: FormFlags & { readonly out: string }, contracts: readonly Contract[]): string[] {
  if (contracts.length === 0) return [flags.out];
  return contracts.flatMap((contract) => {
    const places = placesOf(contract, folderOf(flags.out, contract, contracts.length), flags.detector !== undefined);
    return Object.values(places) as string[];
  });
}

const isJudged = (judgement: GateUse): boolean => judgement !== undefined && !judgement.merged;

/** The graph as a target has it. Throws PetalfaceError where the target cannot use it. */
export function fitted({ backbone, graph, judgement }: Product, contract: Contract): Graph {
  const { input, size, width, spec } = backbone;
  const deployed = { graph, input, size, width, spec };
  return fitGraph(deployed, formFor(contract, deployed, isJudged(judgement)));
}

/**
 * Writes the files of every target, or one file by hand, and returns what to print. Everything is
 * made before anything is written.
 */
export async function deploy(
  given: Product,
  flags: FormFlags & { readonly out: string },
  contracts: readonly Contract[],
): Promise<{ readonly written: readonly Written[]; readonly lines: readonly string[] }> {
  const { thresholds } = given;
  const product = { ...given, graph: carrying(given.graph, thresholds) };
  if (contracts.length === 0) {
    const { graph, fed } = byHand(product, flags);
    await writeModelFile(graph, flags.out);
    const written = writtenOf("plain", [flags.out], graph, fed, product);
    return { written: [written], lines: [describe(written), ...(thresholds ? printThresholds(thresholds) : [])] };
  }
  const detector = flags.detector === undefined ? undefined : await readDetector(flags.detector);
  const made = contracts.map((contract) => ({ contract, graph: fitted(product, contract) }));
  const [written, lines]: [Written[], string[]] = [[], []];
  for (const { contract, graph } of made) {
    const folder = folderOf(flags.out, contract, contracts.length);
    const places = placesOf(contract, folder, detector !== undefined);
    await writeModelFile(graph, places.model);
    if (places.detector !== undefined && detector !== undefined) await writeFileSafely(places.detector, detector);
    const description = descriptionOf(contract, folder, graph);
    if (places.description !== undefined && description !== undefined)
      await writeFileSafely(places.description, description);
    const { spec } = product.backbone;
    const fed = parsePreprocessing(graph.metadata, places.model) ?? spec;
    const one = writtenOf(contract.name, Object.values(places) as string[], graph, fed, product);
    written.push(one);
    lines.push(
      ...(lines.length > 0 ? [""] : []),
      describe(one),
      ...one.files.slice(1).map((file) => `next to it: ${file}`),
      `where it goes: ${contract.layout.belongs}`,
      "what to do next:",
      ...contract.next.map((step, at) => `  ${at + 1}. ${step}`),
      ...levelNotes(contract, product),
      ...enrolledNotes(contract, product.judgement, spec, fed),
      ...(thresholds && contract.threshold ? [productThresholds(contract.name, contract.threshold, thresholds)] : []),
    );
  }
  return { written, lines };
}

/** The graph with thresholds in its metadata. */
export function carrying(graph: Graph, thresholds: Thresholds | undefined): Graph {
  if (thresholds === undefined) return graph;
  return { ...graph, metadata: new Map([...graph.metadata, [thresholdsKey, JSON.stringify(thresholds)]]) };
}

function byHand({ backbone, graph }: Product, flags: FormFlags): { graph: Graph; fed: Preprocessing } {
  const { input, size, width, spec } = backbone;
  const { isRefed, ...form } = formByHand(flags, spec);
  // Fed in another way it has the standard form; else that of the model's own file, whose place it
  // takes.
  const base = isRefed ? graph : fileForm(backbone, graph);
  return {
    graph: fitGraph({ graph: base, input, size, width, spec }, form),
    fed: form.feeding ?? spec,
  };
}

function writtenOf(
  target: string,
  files: readonly string[],
  graph: Graph,
  fed: Preprocessing,
  { levels }: Product,
): Written {
  const value = (name: string) => ({ name, shape: printShape(entryOf(graph.types, name).shape) });
  return {
    target,
    files,
    input: value(itemAt(graph.inputs, 0)),
    output: value(itemAt(graph.outputs, 0)),
    opset: graph.opset,
    normalize: printNormalize(fed),
    channels: fed.channels,
    levels: levels ?? null,
  };
}

const describe = ({ files, input, output, opset, normalize, channels, levels }: Written): string =>
  `${files[0]}: ${input.name} ${input.shape} -> ${output.name} ${output.shape}, ${channels.toUpperCase()}, (x - MEAN) * SCALE with ${normalize}, operator set ${opset}${levels === null ? "" : `, alpha in ${levels} levels`}`;

/** What a file in levels costs and gains, and where it would pay. */
function levelNotes({ name, levels }: Contract, { levels: count, judgement }: Product): string[] {
  if (count !== undefined)
    return [
      `speed: nearly the frozen model's, with its weights ${count} times in the file; alpha is rounded to ${count} levels`,
    ];
  if (!levels || !isJudged(judgement)) return [];
  return [`speed: 'levels=9' makes ${name} faster; the file has the weights 9 times, and alpha is rounded to 9 levels`];
}

/** A detector's file, which an export hands on as it is. */
const readDetector = (path: string): Promise<Buffer> =>
  readGivenFile(path).catch((cause: unknown) => {
    throw cannotRead(printPath(path), cause);
  });
