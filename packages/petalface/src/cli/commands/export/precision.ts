import type { Graph } from "onnx-grad";
import { inPrecision, type Precision } from "../../../adapters/index.ts";
import type { Backbone } from "../../../backbones/index.ts";
import { openData } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { openLoader } from "../../../images/index.ts";
import type { CliContext } from "../../context.ts";
import { engineOf } from "../../model.ts";
import { openProtocol } from "../../protocol.ts";
import { examplesOf, measureLoss, modelOf, type PrecisionLoss } from "./loss.ts";

/** Options of another precision. */
export interface PrecisionFlags {
  readonly precision: Precision;
  readonly data: string;
  readonly protocol?: string;
  readonly leastCosine?: number;
  readonly threads?: number;
}

/** Mean cosine with float32 below which a precision is refused. */
const bars: Readonly<Record<Precision, number>> = { fp32: 0, fp16: 0.999, int8: 0.95, "int8-dynamic": 0.95 };

/** The graph in the precision that was asked for, with what that costs. Throws PetalfaceError where it is too much. */
export async function changePrecision(
  flags: PrecisionFlags,
  backbone: Backbone,
  graph: Graph,
  context: CliContext,
): Promise<{ readonly changed: Graph; readonly loss?: PrecisionLoss }> {
  const { precision } = flags;
  if (precision === "fp32") return { changed: graph };
  if (graph.inputs.length > 1)
    throw new PetalfaceError(
      "another precision is measured on faces, so alpha must be judged inside or fixed, not an input nor made of one: give --alpha with a number",
      { exitCode: 2 },
    );
  const engine = engineOf({ provider: "cpu", ...(flags.threads !== undefined && { threads: flags.threads }) });
  const data = await openData(flags.data);
  const protocol = await openProtocol(flags.protocol ?? "drawn:pairs=600", {}, data);
  await using loader = openLoader({ size: backbone.size, threads: engine.threads });
  const changed = await inPrecision(backbone, graph, precision, examplesOf(data, loader), engine);
  const bar = flags.leastCosine ?? bars[precision];
  context.note(`measuring ${precision} against float32`);
  const task = { data, protocol, engine, bar, signal: context.signal };
  return { changed, loss: await measureLoss(modelOf(backbone, graph), modelOf(backbone, changed), task) };
}
