import type { Graph } from "onnx-grad";
import { inPrecision, type Precision } from "../../adapters/index.ts";
import type { Backbone } from "../../backbones/index.ts";
import type { FaceData, Unreadable } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { protocolOfPairs } from "../../evaluation/index.ts";
import { openLoader } from "../../images/index.ts";
import { type Faces, type LeftOutOptions, noteMoreLeftOut, openFaces } from "../data.ts";
import { openPairs } from "../evaluate/protocol.ts";
import { engineOf } from "../model.ts";
import type { Surroundings } from "../surroundings.ts";
import { chooseExamples, examplesOf, measureLoss, modelOf, type PrecisionLoss } from "./precision-loss.ts";

/** Numbers inside a deployed model, and how they are measured. */
export interface PrecisionFlags extends LeftOutOptions {
  /** Numbers inside; all but `fp32` are measured against it first. */
  readonly precision: Precision;
  /** Faces that a precision is measured on, and int8's ranges are from. */
  readonly data: Faces;
  /** Pairs of these faces to measure on; drawn ones unless given. */
  readonly protocol?: string | undefined;
  /** Mean cosine with float32 below which a precision is refused. */
  readonly leastCosine?: number | undefined;
  /** Threads of the measurement; all cores unless given. */
  readonly threads?: number | undefined;
}

/** Mean cosine with float32 below which a precision is refused. */
const bars: Readonly<Record<Precision, number>> = { fp32: 0, fp16: 0.999, int8: 0.95, "int8-dynamic": 0.95 };

/** Faces that a precision is measured on, and how many of them are left out. */
export interface PrecisionFaces {
  readonly data: FaceData;
  /** Numbers of the faces that ranges are taken from. */
  readonly examples: readonly number[];
  /** What is left out so far. */
  left(): Unreadable;
  /** Adds what a measurement left out. */
  add(left: Unreadable | undefined): void;
}

/**
 * Opens the faces that a precision is measured on; undefined for float32, which is not measured.
 */
export async function openPrecisionFaces(
  flags: PrecisionFlags,
  backbone: Backbone,
  context: Surroundings,
): Promise<PrecisionFaces | undefined> {
  if (flags.precision === "fp32") return undefined;
  const data = await openFaces(flags.data, flags, context);
  await using loader = openLoader({ size: backbone.size, threads: 0 });
  const { examples, left: unread } = await chooseExamples(data, loader);
  noteMoreLeftOut(data, unread, context);
  let left = unread;
  return {
    data,
    examples,
    left: () => left,
    add(more) {
      if (more === undefined || more.count <= left.count) return;
      left = more;
      noteMoreLeftOut(data, more, context);
    },
  };
}

/**
 * The graph in the precision that was asked for, with what that costs. Throws PetalfaceError where
 * it is too much.
 */
export async function changePrecision(
  flags: PrecisionFlags,
  backbone: Backbone,
  graph: Graph,
  faces: PrecisionFaces | undefined,
  context: Surroundings,
): Promise<{ readonly changed: Graph; readonly loss?: PrecisionLoss }> {
  const { precision } = flags;
  if (precision === "fp32" || faces === undefined) return { changed: graph };
  if (graph.inputs.length > 1)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "another precision is measured on faces, so alpha must be computed inside or fixed, and not come from an input: give 'alpha' with a number",
    );
  const engine = engineOf({ provider: "cpu", ...(flags.threads !== undefined && { threads: flags.threads }) });
  const { data, examples } = faces;
  const protocol = protocolOfPairs(await openPairs(flags.protocol ?? "drawn:pairs=600", {}, data), data);
  await using loader = openLoader({ size: backbone.size, threads: engine.threads, faces: data.length });
  const changed = await inPrecision(backbone, graph, precision, examplesOf(data, examples, loader), engine);
  const bar = flags.leastCosine ?? bars[precision];
  context.note(`measuring ${precision} against float32`);
  const task = { data, examples, protocol, engine, bar, signal: context.signal };
  const { leftOut, ...loss } = await measureLoss(modelOf(backbone, graph), modelOf(backbone, changed), task);
  faces.add(leftOut);
  return { changed, loss };
}
