import {
  findNegligible,
  flushNegligible,
  type Graph,
  isStatic,
  readMetadata,
  readModel,
  type Shape,
  setBatch,
  sizeOf,
  toFloat32,
  upgradeOpset,
} from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { type ModelChoices, type ModelSpec, type PreprocessingSource, resolveModel } from "../models/index.ts";
import { isStrings, remembered } from "../remembered.ts";
import type { Backbone, FileForm } from "./backbone.ts";
import { feedingOf, findNormalisation, type InnerNormalisation } from "./normalisation.ts";
import { imageShape, standardForm } from "./standard-form.ts";
import { hasBatchRanges, proveBatches, refuseMixing, refuseTrainingMode } from "./usable.ts";

/** Key of an exported file's metadata that says where its alpha comes from. */
export const alphaKey = "petalface.alpha";
/** What stands there before the number of levels, where alpha is rounded to levels. */
export const levelsAlpha = "levels:";

/** Why a file of levels is not opened; undefined for other files. */
function levelsError(path: string): PetalfaceError | undefined {
  let alpha = "";
  try {
    alpha = readMetadata(path).get(alphaKey) ?? "";
  } catch {
    return undefined;
  }
  if (!alpha.startsWith(levelsAlpha)) return undefined;
  return new PetalfaceError(
    "PETAL_MODEL_UNSUPPORTED",
    `${path}: is an exported file with alpha in ${alpha.slice(levelsAlpha.length)} levels, which onnxruntime runs and petalface does not open; give the model and 'adapter', or export without 'levels'`,
  );
}

/**
 * Opens a face recogniser given by path or by a name that `petalface models` knows, in one form
 * whatever the file's: float32 `[N, 3, size, size]` to `[N, width]` with open batch. float16 and
 * float64 become float32; integer inputs, `[N, size, size, 3]`, open sides, further outputs and
 * `[N, width, 1, 1]` are brought into that form.
 *
 * @throws PetalfaceError if it has not exactly one square image input and one embedding output, or
 * if a face's embedding depends on other faces or on chance
 */
export async function openBackbone(model: string, choices: ModelChoices = {}): Promise<Backbone> {
  const { path, spec: resolved, source } = await resolveModel(model, choices);
  const shapes = (name: string, stated: Shape | undefined) => imageShape(path, name, stated, choices.size);
  const read = await readModel(path, { shapes }).catch((error: unknown) => {
    throw levelsError(path) ?? error;
  });
  const whole = wholeNumbers(upgradeOpset(read));
  const flushed = flushNegligible(whole, await negligibleOf(whole, resolved.sha256));
  const { graph: stated, input, output, size, width, form } = standardForm(path, flushed, read, choices);
  refuseTrainingMode(path, stated);
  const normalisation = findNormalisation(stated, input);
  const how = fed(path, { spec: resolved, source }, form, normalisation);
  const { spec } = how;
  const graph = setBatch(stated, "N");
  // A model that finds ranges over a batch is fed one face at a time, and would fail both proofs by
  // rounding.
  if (!hasBatchRanges(stated)) {
    if (stated.inputs.every((value) => isStatic(stated.types.get(value)?.shape ?? [])))
      await proveOnce(path, stated, graph, spec, choices);
    else await refuseMixing(path, graph, output, spec);
  }
  const parameters = [...graph.constants.values()]
    .filter((constant) => /^float(16|32)$/.test(constant.dtype))
    .reduce((sum, constant) => sum + sizeOf(constant.dims), 0);
  return { path, ...how, graph, input, output, size, width, parameters, form, choices, normalisation };
}

/**
 * The graph with float16 and float64 as float32, so that its layers can carry adapters. Files that
 * petalface wrote (`--precision fp16`) are to be measured as they are deployed, and stay.
 */
const wholeNumbers = (graph: Graph): Graph => (graph.metadata.has("petalface.backbone") ? graph : toFloat32(graph));

/**
 * The preprocessing that counts: what was said or stated; else what the graph shows; else what was
 * assumed.
 */
function fed(
  path: string,
  resolved: { readonly spec: ModelSpec; readonly source: PreprocessingSource },
  form: FileForm | undefined,
  normalisation: InnerNormalisation | undefined,
): { readonly spec: ModelSpec; readonly source: PreprocessingSource } {
  const { spec, source } = resolved;
  const integers = form !== undefined && !form.input.dtype.startsWith("float");
  const plain = { mean: [0, 0, 0], scale: [1, 1, 1] } as const;
  if (integers) {
    const isPlain = spec.mean.every((value) => value === 0) && spec.scale.every((value) => value === 1);
    if (source === "option" && !isPlain)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `${path}: its input is ${form.input.dtype}, so it takes pixels as they are; leave out 'normalize'`,
      );
    return isPlain ? resolved : { spec: { ...spec, ...plain }, source: "graph" };
  }
  const shown = source === "assumed" && normalisation ? feedingOf(normalisation) : undefined;
  return shown === undefined ? resolved : { spec: { ...spec, ...shown }, source: "graph" };
}

/**
 * Constants of a model that slow it down; those of a small one are found faster than they are worth
 * a file.
 */
const negligibleOf = (graph: Graph, sha256: string): Promise<string[]> =>
  bytesOf(graph) < worthRemembering
    ? findNegligible(graph)
    : remembered("negligible-numbers", sha256, () => findNegligible(graph), isStrings);

/**
 * Proves the open batch of a model, unless it was proven before in the form that its file has by
 * itself.
 */
async function proveOnce(
  path: string,
  stated: Graph,
  graph: Graph,
  spec: ModelSpec,
  { size, output }: ModelChoices,
): Promise<void> {
  if (bytesOf(graph) < worthRemembering || size !== undefined || output !== undefined)
    await proveBatches(path, stated, graph, spec);
  else
    await remembered(
      "batch",
      spec.sha256,
      () => proveBatches(path, stated, graph, spec).then(() => true as const),
      (value) => value === true,
    );
}

const worthRemembering = 2 ** 20;

const bytesOf = (graph: Graph): number =>
  [...graph.constants.values()].reduce((sum, { dims }) => sum + 4 * sizeOf(dims), 0);
