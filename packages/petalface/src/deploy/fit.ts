import { downgradeOpset, entryOf, type Graph, itemAt, OnnxGradError, setBatch } from "onnx-grad";
import { type ExportOutputs, renameValues, withOutputs } from "../adapters/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type Preprocessing, preprocessingMetadata } from "../models/index.ts";
import type { Contract } from "./contract.ts";
import { withFeeding } from "./feeding.ts";
import { withReadableNames } from "./names.ts";

/** A deployed graph in standard form: float32, image `[N, 3, size, size]` in, embedding first. */
export interface Deployed {
  readonly graph: Graph;
  /** Name of the image input. */
  readonly input: string;
  readonly size: number;
  readonly width: number;
  /** How it wants its pixels. */
  readonly spec: Preprocessing;
}

/** What a file is to be like. What is left out stays as it is. */
export interface Form {
  readonly outputs: ExportOutputs;
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  /** Images in a batch: a number, or the name of an open batch. */
  readonly batch?: number | string | undefined;
  readonly opset?: number | undefined;
  /** How it is fed. */
  readonly feeding?: Preprocessing | undefined;
  /** Whether node names must let insightface see how to feed it. */
  readonly readableNames?: boolean | undefined;
}

const isPixels = ({ mean, scale }: Preprocessing): boolean =>
  mean.every((value) => value === 0) && scale.every((value) => value === 1);

/**
 * The form that a target wants of a model.
 *
 * @throws PetalfaceError where the target cannot use the model at all
 */
export function formFor(contract: Contract, { graph, size, spec }: Deployed, judges: boolean): Form {
  const { name } = contract;
  const refuse = (why: string): never => {
    throw new PetalfaceError("PETAL_OPTION_UNFIT", `'for=${name}': ${why}`);
  };
  if (contract.size !== undefined && contract.size !== size)
    refuse(`it feeds faces of ${contract.size} px, and the model takes ${size} px`);
  if (name === "insightface" && (size < 112 || size % 16 !== 0))
    refuse(`it takes recognisers of 112 px and more, in steps of 16, and the model takes ${size} px`);
  if (graph.inputs.length > 1)
    refuse("it provides only the image, and this file would need a second input; give 'alpha' with a number");
  if (contract.merged && judges)
    refuse("it needs one network without a gate: give 'alpha' with a number, or 'levels' and run the gate outside");
  const other = graph.nodes.find((node) => node.domain !== "");
  if (contract.standardOnly && other !== undefined)
    refuse(`it has only standard operators, and the model has ${other.domain}.${other.op} ("${other.name}")`);
  // A network that normalises inside is fed as it is, where the product can be shown that it does.
  const plain = name === "insightface" && isPixels(spec) && spec.channels === "rgb";
  return {
    outputs: "embedding",
    input: contract.input,
    batch: contract.batch,
    opset: contract.opset,
    feeding: plain ? spec : contract.feeding,
    readableNames: contract.readsNodeNames,
  };
}

/**
 * The file that a program can read: outputs, batch, feeding, operator set and names as it wants
 * them. Its metadata says how it is fed, so that petalface feeds it rightly too.
 *
 * @throws PetalfaceError naming the operator that an older operator set has nothing for, or where a
 * batch is impossible
 */
export function fitGraph({ graph, input, spec }: Deployed, form: Form): Graph {
  const fed = form.feeding ?? spec;
  let fitted = withOutputs(graph, form.outputs);
  try {
    if (form.batch !== undefined) fitted = batched(fitted, input, form.batch);
    fitted = withFeeding(fitted, input, spec, fed);
    if (form.opset !== undefined) fitted = downgradeOpset(fitted, form.opset);
  } catch (error) {
    if (!(error instanceof OnnxGradError)) throw error;
    throw new PetalfaceError("PETAL_MODEL_UNSUPPORTED", `this model cannot be written so: ${error.message}`, {
      cause: error,
    });
  }
  if (form.readableNames) fitted = withReadableNames(fitted, isPixels(fed));
  const names = new Map<string, string>();
  if (form.input !== undefined) names.set(input, form.input);
  if (form.output !== undefined) names.set(itemAt(fitted.outputs, 0), form.output);
  const metadata = new Map([...fitted.metadata, ...Object.entries(preprocessingMetadata(fed))]);
  return { ...renameValues(fitted, names), metadata };
}

function batched(graph: Graph, input: string, batch: number | string): Graph {
  const [first] = entryOf(graph.types, input).shape;
  return first === batch ? graph : setBatch(graph, batch);
}
