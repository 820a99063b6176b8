import type { Graph } from "onnx-grad";
import { type Adapter, type ExportAlpha, levelsGraph } from "../../adapters/index.ts";
import type { Contract } from "../../deploy/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { Surroundings } from "../surroundings.ts";
import type { Product } from "./deploy.ts";
import type { FormFlags } from "./form.ts";
import { changePrecision, type PrecisionFaces, type PrecisionFlags } from "./precision.ts";
import type { PrecisionLoss } from "./precision-loss.ts";

/** Whether a file of levels goes into a folder of several files, one for each network. */
export const isFolder = (out: string, contracts: readonly Contract[]): boolean =>
  contracts.length === 0 ? !/\.onnx$/i.test(out) : contracts.every(({ merged }) => merged);

/**
 * Refuses levels in one file for products that cannot run it. Throws PetalfaceError (wrong usage).
 */
export function refuseLevels(contracts: readonly Contract[], out: string): void {
  if (isFolder(out, contracts)) {
    if (contracts.length <= 1) return;
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'levels' writes a folder for a converter: give one target at a time",
    );
  }
  const unable = contracts.find(({ levels }) => !levels);
  if (unable === undefined) return;
  throw new PetalfaceError(
    "PETAL_OPTION_INVALID",
    `'for=${unable.name}': it cannot run a file of levels, which has an If for each; leave out 'levels'`,
  );
}

/** What is asked of the files to be written. */
export interface FormTask {
  readonly flags: PrecisionFlags & FormFlags;
  readonly contracts: readonly Contract[];
  /** null for the frozen model. */
  readonly alpha: ExportAlpha | null;
  readonly adapter: Adapter | undefined;
}

/**
 * The product in the precision asked for, and in levels where asked for. `loss`: what
 * each network lost against float32.
 *
 * @throws PetalfaceError where a precision loses too much, or the file cannot have levels
 */
export async function inForm(
  { flags, contracts, alpha, adapter }: FormTask,
  product: Product,
  faces: PrecisionFaces | undefined,
  context: Surroundings,
): Promise<{ readonly product: Product; readonly loss: readonly PrecisionLoss[] }> {
  const { backbone } = product;
  const loss: PrecisionLoss[] = [];
  const change = async (graph: Graph): Promise<Graph> => {
    const one = await changePrecision(flags, backbone, graph, faces, context);
    if (one.loss) loss.push(one.loss);
    return one.changed;
  };
  const count = flags.levels;
  if (count === undefined || adapter === undefined || alpha !== "quality")
    return { product: { ...product, graph: await change(product.graph) }, loss };
  if (contracts.length === 0 && backbone.form !== undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'levels' in one file is for models whose own file has the standard form; give 'for', or name a folder with 'out'",
    );
  const graph = await levelsGraph(backbone, adapter, count, change);
  return { product: { ...product, graph, levels: count }, loss };
}
