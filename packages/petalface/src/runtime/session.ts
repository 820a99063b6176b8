import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { Graph, Tensor } from "onnx-grad";
import { lower, placeModel } from "onnx-grad";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { PetalfaceError } from "../errors.ts";

/** Where a graph runs: onnxruntime's execution providers that this project supports. */
export type Provider = "cpu" | "cuda" | "webgpu";

/** Names of {@link Provider}, and `auto`, which is the CPU for now: there the same threads give the same bits. */
export const providerNames = ["auto", "cpu", "cuda", "webgpu"] as const;

/** Options of {@link openSession}. */
export interface SessionOptions {
  /** Execution provider; the CPU unless given. A provider that does not open is an error, never a silent fallback. */
  readonly provider?: Provider;
  /** Threads inside one operator; all cores unless given. The same number gives the same bits. */
  readonly threads?: number;
  /** Folder for the placed model; a folder of its own under the system's temporary folder unless given. */
  readonly scratch?: string;
  /**
   * Rewriting level of onnxruntime. `extended`, the default, keeps every convolution the same kernel in the frozen and the
   * adapted graph, which the bit-for-bit promise at alpha = 1 rests on; `all` changes memory layouts too.
   */
  readonly optimisation?: "disabled" | "basic" | "extended" | "all";
}

/** A graph loaded in onnxruntime, ready to run. */
export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Runs the graph once. Inputs and outputs are row-major tensors by name. */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  /** Frees the engine's memory and the placed files. */
  close(): Promise<void>;
}

/**
 * Loads a graph into onnxruntime. The frozen weights stay in their file, which onnxruntime maps by itself.
 * Throws PetalfaceError if the provider does not open or the engine refuses the graph.
 */
export async function openSession(graph: Graph, options: SessionOptions = {}): Promise<Session> {
  const folder = await mkdtemp(join(options.scratch ?? tmpdir(), "petalface-"));
  const provider = options.provider ?? "cpu";
  try {
    // Only training asks for `all` and may round differently; elsewhere on the CPU every value keeps its bits.
    const exact = provider === "cpu" && options.optimisation !== "all";
    const path = await placeModel(lower(graph, provider, { exact }), folder);
    const session = await InferenceSession.create(path, {
      executionProviders: [provider],
      intraOpNumThreads: options.threads ?? availableParallelism(),
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: options.optimisation ?? "extended",
      logSeverityLevel: 3,
      // Waiting threads sleep: spinning ones take the cores from the threads that prepare images (measured: 91 against 82 images/s).
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
    return {
      inputs: session.inputNames,
      outputs: session.outputNames,
      async run(feeds) {
        const results = await session.run(
          Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toOrt(tensor)])),
        );
        return Object.fromEntries(
          Object.entries(results).map(([name, tensor]) => [name, fromOrt(tensor as OrtTensor)]),
        );
      },
      async close() {
        await session.release();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new PetalfaceError(`onnxruntime could not load the graph "${graph.name}" on ${provider}: ${reason}`, {
      cause: error,
    });
  }
}

/** The float32 output of this name. Throws if the graph has none, which is a mistake of ours. */
export function floatsOf(results: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const tensor = results[name];
  if (tensor?.dtype !== "float32") throw new Error(`the graph put out no float32 "${name}"`);
  return tensor.data;
}

function toOrt(tensor: Tensor): OrtTensor {
  return new OrtTensor(tensor.dtype as "float32", tensor.data as Float32Array, tensor.dims);
}

function fromOrt(tensor: OrtTensor): Tensor {
  return { dtype: tensor.type, dims: tensor.dims, data: tensor.data } as Tensor;
}
