import { type Graph, readMetadata, readModel } from "onnx-grad";
import { proveSites, quantisedAdvice, type SiteList, selectSites } from "../../adapters/index.ts";
import {
  alphaKey,
  type Backbone,
  imageShape,
  levelsAlpha,
  openBackbone,
  quantisedNodes,
} from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type ModelChoices, resolveModel } from "../../models/index.ts";

/** A face recogniser. */
export interface RecogniserInspection {
  readonly kind: "model";
  readonly backbone: Backbone;
  /** Layers that can have an adapter, and those that cannot. */
  readonly list: SiteList;
  /** Names of the layers that are adapted by default. */
  readonly defaults: ReadonlySet<string>;
  /** What can be done with it, as the end of a sentence. */
  readonly verdict: string;
}

/** An exported file with alpha in levels, for onnxruntime. */
export interface LevelsInspection {
  readonly kind: "levels";
  readonly path: string;
  readonly levels: string;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Any other network. */
export interface NetworkInspection {
  readonly kind: "onnx";
  readonly path: string;
  readonly graph: Graph;
  /** Why it is no face recogniser that can be used. */
  readonly why: string;
}

/** A model of any kind. */
export type ModelInspection = RecogniserInspection | LevelsInspection | NetworkInspection;

/**
 * Finds out what can be done with a model. Throws PetalfaceError or OnnxGradError if the file
 * cannot be read.
 */
export async function inspectModel(name: string, choices: ModelChoices): Promise<ModelInspection> {
  try {
    return await inspectRecogniser(await openBackbone(name, choices));
  } catch (error) {
    // What was asked wrongly is not a finding about the model.
    const isAbout = error instanceof Error && /^(PetalfaceError|OnnxGradError)$/.test(error.name);
    if (!isAbout || (error instanceof PetalfaceError && error.exitCode === 2)) throw error;
    // An exported model that takes alpha as an input, or any other network is still worth
    // describing, if it can be read.
    const { path } = await resolveModel(name);
    const metadata = readMetadata(path);
    const alpha = metadata.get(alphaKey) ?? "";
    if (alpha.startsWith(levelsAlpha))
      return { kind: "levels", path, levels: alpha.slice(levelsAlpha.length), metadata };
    const graph = await readModel(path, { shapes: (input, stated) => imageShape(path, input, stated, choices.size) });
    return { kind: "onnx", path, graph, why: error.message };
  }
}

async function inspectRecogniser(backbone: Backbone): Promise<RecogniserInspection> {
  const list = await proveSites(backbone);
  const defaults = defaultSites(list);
  const adapted = list.sites.filter((site) => defaults.has(site.name)).length;
  return { kind: "model", backbone, list, defaults, verdict: verdictOn(backbone, list, adapted) };
}

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
function verdictOn(backbone: Backbone, { sites, unfit }: SiteList, adapted: number): string {
  const nodes = quantisedNodes(backbone.graph);
  if (nodes > 0) return `usable as it is, but ${quantisedAdvice(nodes)}`;
  const [first] = unfit;
  if (sites.length === 0)
    return `usable, but no layer can have an adapter${first ? ` (${first.op}: ${first.reason})` : ""}`;
  const all = sites.length + unfit.length;
  if (adapted === 0)
    return `usable; ${sites.length} of its ${all} layers can have an adapter, none has one by default: adapt with 'sites=all'`;
  return `usable; ${adapted} of its ${all} layers are adapted by default`;
}
