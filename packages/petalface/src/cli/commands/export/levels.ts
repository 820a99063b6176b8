import { type Adapter, exportLevels } from "../../../adapters/index.ts";
import { leftOutOf } from "../../../api/data.ts";
import { carrying, fitted } from "../../../api/deploy.ts";
import { changePrecision, openPrecisionFaces, type PrecisionFlags } from "../../../api/precision.ts";
import { type PrecisionLoss, printLoss } from "../../../api/precision-loss.ts";
import type { Backbone } from "../../../backbones/index.ts";
import { type Contract, printThresholds, type Thresholds } from "../../../deploy/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOptions } from "../../data.ts";

/** Options of an export to levels. */
export interface LevelFlags extends PrecisionFlags, DataFlags {
  readonly out: string;
  readonly levels: number;
}

/**
 * Writes alpha in levels: for a target each network in the form that it wants, for others as the
 * model's own.
 */
export async function exportToLevels(
  flags: LevelFlags,
  what: {
    readonly backbone: Backbone;
    readonly adapter: Adapter;
    readonly contract: Contract | undefined;
    readonly thresholds: Thresholds | undefined;
  },
  context: CliContext,
): Promise<void> {
  const { backbone, adapter, contract, thresholds } = what;
  const count = flags.levels;
  const losses: PrecisionLoss[] = [];
  const faces = await openPrecisionFaces({ ...flags, ...leftOutOptions(flags) }, backbone, context);
  const written = await exportLevels(flags.out, backbone, adapter, count, async (graph) => {
    const { changed, loss } = await changePrecision(flags, backbone, graph, faces, context);
    if (loss) losses.push(loss);
    const carried = carrying(changed, thresholds);
    if (contract === undefined) return carried;
    const merged = { gate: adapter.config.gate, merged: true };
    return fitted({ backbone, graph: carried, judgement: merged }, contract);
  });
  context.result(
    {
      folder: flags.out,
      ...written,
      precision: flags.precision,
      losses,
      thresholds: thresholds ?? null,
      ...(faces && { leftOut: leftOutOf(faces.data, faces.left()) }),
    },
    [
      `${flags.out}: quality.onnx and ${count} networks; send each face to the one whose alpha is nearest`,
      ...(thresholds ? printThresholds(thresholds) : []),
      ...losses.map((loss, level) => `level ${level}, ${flags.precision} ${printLoss(loss)}`),
    ].join("\n"),
  );
}
