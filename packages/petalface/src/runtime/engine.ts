import { availableParallelism } from "node:os";
import { join, sep } from "node:path";
import { type Graph, itemAt, lower, mapModel, OnnxGradError, placeModel, type Tensor } from "onnx-grad";
import type { InferenceSession } from "onnxruntime-node";
import { messageOf, PetalfaceError } from "../errors.ts";
import { makeTemporary } from "../temporary.ts";
import { loadOnnxruntime } from "./onnxruntime.ts";
import { runSession } from "./tensors.ts";
import type { SessionOptions } from "./types.ts";

/** onnxruntime's own session, and the folder that its model lies in while it is open. */
export interface Engine {
  readonly session: InferenceSession;
  readonly folder: string;
  /** Runs the model once. Inputs and outputs are row-major tensors by name. */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  close(): Promise<void>;
}

/**
 * Runs that repay a second of loading: copying Swin's wide weights takes as long as four steps gain
 * by it, or six batches of a teacher.
 */
const manyRuns = 8;

/** Counts the changes of the lowering that give other bits, within one version of the package. */
const revision = 2;

/**
 * What affects the rounding of a graph's numbers, other than the graph, the machine, the threads
 * and versions.
 */
export function engineForm({ provider = "cpu", optimisation }: SessionOptions) {
  // Only who asks for `free` lets values round differently from graph to graph; else on the CPU
  // every one keeps its bits.
  const exact = provider === "cpu" && optimisation !== "free";
  const level = optimisation === "free" ? "all" : (optimisation ?? (exact ? "all" : "extended"));
  return { exact, level, revision } as const;
}

/**
 * Whether numbers of a graph are stored as bytes. The blocked layouts are for float32 convolutions;
 * products of bytes have layouts of their own there.
 */
const isQuantised = (graph: Graph): boolean => graph.nodes.some(({ op }) => op === "DequantizeLinear");

/**
 * Lowers a graph for its provider, places it and opens it, in this process and without asking first
 * whether the provider works. With `profile` onnxruntime notes where each node ran, in a file of
 * that prefix in the engine's folder.
 */
export async function openEngine(graph: Graph, options: SessionOptions, profile?: string): Promise<Engine> {
  const temporary = await makeTemporary(options.scratch);
  const folder = temporary.path;
  const provider = options.provider ?? "cpu";
  try {
    const { exact, level } = engineForm(options);
    const brief = options.runs !== undefined && options.runs < manyRuns;
    const lowered = lower(withZeroPoints(graph), provider, { exact, brief, int8: options.int8 === true });
    const mapped = await mapModel(lowered, folder);
    const onnxruntime = await loadOnnxruntime();
    const settings: InferenceSession.SessionOptions = {
      executionProviders: [provider],
      intraOpNumThreads: options.threads ?? availableParallelism(),
      interOpNumThreads: 1,
      executionMode: "sequential",
      // Sizes are planned ahead into one block that never shrinks: without it a training step peaks
      // at 0.6 times the memory and is no slower (bench -- step).
      enableMemPattern: false,
      graphOptimizationLevel: exact && level === "all" && isQuantised(graph) ? "extended" : level,
      logSeverityLevel: 3,
      // Threads wait busily for a moment only: as long as onnxruntime does by itself, they take the
      // cores from those that prepare images (measured: 91 against 82 images/s); not at all, and
      // each of a thousand small kernels waits for a thread to wake (docs/speed.md).
      extra: {
        session: {
          intra_op: { allow_spinning: "1", spin_duration_us: "200" },
          disable_prepacking: options.prepack === false ? "1" : "0",
          ...exactBytes(options.int8 === true && !hasSignedBytes(graph)),
          ...(mapped && { model_external_initializers_file_folder_path: mapped.root }),
        },
      },
      ...(profile !== undefined && { enableProfiling: true, profileFilePrefix: join(folder, profile) }),
    };
    const { InferenceSession: Sessions } = onnxruntime;
    // Weights on several drives of Windows are linked into the folder.
    const session = mapped
      ? await Sessions.create(mapped.bytes, settings)
      : await Sessions.create(await placeModel(lowered, folder), settings);
    return {
      session,
      folder,
      run: (feeds) => runSession(onnxruntime, session, feeds),
      async close() {
        try {
          await session.release();
        } finally {
          temporary.remove();
        }
      },
    };
  } catch (error) {
    temporary.remove();
    const cause = messageOf(error);
    // What onnx-grad says is about the graph itself and whole.
    if (error instanceof OnnxGradError) throw new PetalfaceError("PETAL_ENGINE_FAILED", cause, { cause: error });
    const reason = engineReason(cause.replaceAll(join(folder, sep), ""));
    const what = options.name ?? `the graph "${graph.name}"`;
    const message = `onnxruntime could not load ${what} on ${provider}: ${reason}`;
    throw new PetalfaceError("PETAL_ENGINE_FAILED", message, { cause: error });
  }
}

/**
 * Whether a graph brings 8-bit weights of its own, which may overflow on processors without VNNI.
 */
const hasSignedBytes = (graph: Graph): boolean =>
  [...graph.constants.values()].some(({ dtype, dims }) => dtype === "int8" && dims.length > 1);

/**
 * The session option by which onnxruntime multiplies signed bytes as unsigned ones where they would
 * overflow (x86-64 without VNNI): exact, and there a quarter slower. Weights that `fit` (those of
 * `--base int8`) are exact without it. It holds from level "extended" on.
 */
const exactBytes = (fit: boolean): { readonly x64quantprecision: string } => ({
  x64quantprecision: fit ? "0" : "1",
});

/**
 * The same graph with a zero point for signed weights of one scale an output. Without it
 * onnxruntime's rewriting for {@link exactBytes} gives them one of another shape, and refuses the
 * graph.
 */
function withZeroPoints(graph: Graph): Graph {
  const constants = new Map(graph.constants);
  const nodes = graph.nodes.map((node) => {
    const [weight = "", scale = "", zero = ""] = node.inputs;
    const dims = graph.constants.get(scale)?.dims ?? [];
    const lacks = node.op === "DequantizeLinear" && node.domain === "" && zero === "" && dims.length === 1;
    if (!lacks || graph.constants.get(weight)?.dtype !== "int8") return node;
    let name = `${weight}_zero_point`;
    while (constants.has(name) || graph.types.has(name)) name += "_";
    constants.set(name, { dtype: "int8", dims, data: new Int8Array(itemAt(dims, 0)) });
    return { ...node, inputs: [weight, scale, name] };
  });
  return constants.size === graph.constants.size ? graph : { ...graph, nodes, constants };
}

/**
 * The first line of what onnxruntime says, without the place in its source where it says it and the
 * name of the file, which may be a copy.
 */
export const engineReason = (text: string): string =>
  (text.trim().split("\n")[0] ?? "")
    .replace(/^.*? was false\. /, "")
    .replace(/^\S*onnxruntime_src\S* /, "")
    .replace(/^Load model from .+? failed: ?/, "");
