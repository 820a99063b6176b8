import { type Graph, itemAt, type Node, proveBatch, readTensor, traceRows } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import type { ModelSpec } from "../models/index.ts";
import { openSession, type Session } from "../runtime/index.ts";

/** Operators of models whose weights are integers of 8 bits or fewer. */
const quantisedOps = /^(QuantizeLinear|DequantizeLinear|DynamicQuantizeLinear|ConvInteger|MatMulInteger)$/;

/** How many nodes of a graph compute with integers of 8 bits; 0 for a float model. */
export const quantisedNodes = (graph: Graph): number => graph.nodes.filter(({ op }) => quantisedOps.test(op)).length;

/**
 * Whether ranges are found over all faces of a batch, as `--precision int8-dynamic` does: such a
 * model sees one face at a time.
 */
export const hasBatchRanges = (graph: Graph): boolean => graph.nodes.some(({ op }) => op === "DynamicQuantizeLinear");

const evaluationMode = "export the network in evaluation mode (model.eval() in PyTorch)";

/** What is wrong with a node in training mode; undefined with any other. */
function trainingFault(graph: Graph, { op, domain, attributes, inputs }: Node): string | undefined {
  if (domain !== "") return undefined;
  const { training_mode: mode } = attributes;
  if (op === "BatchNormalization" && mode !== undefined && "int" in mode && mode.int !== 0)
    return "a face's embedding would depend on the other faces of its batch";
  const training = inputs[2] ?? "";
  if (op !== "Dropout" || training === "") return undefined;
  const said = graph.constants.get(training);
  return said !== undefined && Number(readTensor(said).data[0]) === 0
    ? undefined
    : "a face's embedding would differ in every run";
}

/**
 * Refuses a graph of which some node is in training mode: batch normalisation by the statistics of
 * the batch, or dropout. (Operators that draw random numbers are refused when the file is read.)
 *
 * @param path names the model in the error
 * @throws PetalfaceError naming the first such node
 */
export function refuseTrainingMode(path: string, graph: Graph): void {
  for (const node of graph.nodes) {
    const fault = trainingFault(graph, node);
    if (fault !== undefined)
      throw new PetalfaceError(
        "PETAL_MODEL_UNSUPPORTED",
        `${path}: ${node.op} "${node.name}" is in training mode: ${fault}; ${evaluationMode}`,
      );
  }
}

/** The least and largest number of an input that pixels become. */
const inputRange = ({ mean, scale }: ModelSpec): readonly [number, number] => {
  const ends = mean.flatMap((value, channel) => [0, 255].map((pixel) => (pixel - value) * itemAt(scale, channel)));
  return [Math.min(...ends), Math.max(...ends)];
};

/**
 * Proves on images of noise that `opened` does to many images what `fixed` does to each. Throws
 * OnnxGradError if not.
 *
 * @param path names the model in errors
 * @param fixed the model as its file has it; where its batch is open, images go through it one at a
 * time
 */
export async function proveBatches(path: string, fixed: Graph, opened: Graph, spec: ModelSpec): Promise<void> {
  const sessions = new Map<Graph, Session>();
  try {
    await proveBatch(
      fixed,
      opened,
      async (graph, feeds) => {
        const session = sessions.get(graph) ?? (await openSession(graph, { name: path }));
        sessions.set(graph, session);
        return session.run(feeds);
      },
      { range: inputRange(spec) },
    );
  } finally {
    for (const session of sessions.values()) await session.close();
  }
}

/**
 * Refuses a model of open batch whose embedding of a face depends on the other faces in its batch.
 * Mostly the graph alone shows that it does not. Where its rows cannot be followed (a batch
 * normalisation that the exporter took apart, say), three images are embedded alone and together.
 *
 * @param path names the model in the error
 * @throws PetalfaceError where they differ, or where the embedding does not depend on the image at
 * all
 */
export async function refuseMixing(path: string, graph: Graph, output: string, spec: ModelSpec): Promise<void> {
  const rows = traceRows(graph).get(output);
  if (rows?.kind === "images") return;
  if (rows?.kind === "shared")
    throw new PetalfaceError(
      "PETAL_MODEL_UNSUPPORTED",
      `${path}: its output "${output}" does not depend on the image; export the network again`,
    );
  try {
    await proveBatches(path, graph, graph, spec);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "OnnxGradError") throw error;
    throw new PetalfaceError(
      "PETAL_MODEL_UNSUPPORTED",
      `${path}: a face's embedding depends on the other faces of its batch (${rows?.reason ?? error.message}); ${evaluationMode}`,
      { cause: error },
    );
  }
}
