import type { Tensor } from "onnx-grad";

/** Where a graph runs: onnxruntime's execution providers that this project supports. */
export type Provider = "cpu" | "cuda" | "webgpu";

/**
 * Names of {@link Provider}, and `auto`, which is the CPU for now: there the same threads give the
 * same bits.
 */
export const providerNames = ["auto", "cpu", "cuda", "webgpu"] as const;

/** Options of {@link openSession}. */
export interface SessionOptions {
  /**
   * Execution provider; the CPU unless given. A provider that does not open is an error, never a
   * silent fallback.
   */
  readonly provider?: Provider;
  /** Threads inside one operator; all cores unless given. The same number gives the same bits. */
  readonly threads?: number;
  /** What messages call the model: the user's file. The graph's own name unless given. */
  readonly name?: string | undefined;
  /**
   * Folder for the placed model; a folder of its own under the system's temporary folder unless
   * given.
   */
  readonly scratch?: string;
  /**
   * How graphs are rewritten. Unless given, as much as onnxruntime can, but so that a network
   * computes to the bit what it computes with closed adapters in it. `free` fuses more and computes
   * wide convolutions over tiles, up to rounding. The others are onnxruntime's lower levels.
   */
  readonly optimisation?: "disabled" | "basic" | "extended" | "free";
  /**
   * Whether the engine copies weights into the order that its product kernels read them in; true
   * unless given. Without it products are about 5 % slower, and the weights of a graph that uses
   * them forwards and backwards take a third of the memory.
   */
  readonly prepack?: boolean;
  /**
   * How often the graph will run, where that is known: what takes long to load and gains little
   * each time is then left out.
   */
  readonly runs?: number;
  /**
   * Large products with frozen weights in 8-bit whole numbers (CPU only): much faster, about one
   * per cent off.
   */
  readonly int8?: boolean;
  /**
   * Gives the engine a thread of its own. onnxruntime keeps the thread that calls it busy for
   * the whole run: a server would meanwhile read no request. Results then have memory of their own.
   * A thread that ends by itself is started again, and the keeper hears of it.
   */
  readonly ownThread?: EngineKeeper;
}

/** Who hears what becomes of an engine's thread. */
export interface EngineKeeper {
  /** The thread has ended by itself, and why: runs are refused until it is back. */
  lost(reason: string): void;
  /** Another thread has loaded the graph. */
  back(): void;
  /** The thread is not started again: every run will be refused. */
  failed(error: Error): void;
}

/** A graph loaded in onnxruntime, ready to run. */
export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Runs the graph once. Inputs and outputs are row-major tensors by name.
   *
   * @param memory `given`: the inputs are not used after this call, and an engine in a thread of
   * its own takes over their memory instead of a copy. Each array has a buffer of its own then.
   */
  run(feeds: Readonly<Record<string, Tensor>>, memory?: "kept" | "given"): Promise<Record<string, Tensor>>;
  /** Frees the engine's memory and the placed files. */
  close(): Promise<void>;
}
