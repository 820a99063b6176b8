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
  /**
   * Whether the engine copies weights into the order that its product kernels read them in; true unless given. Without it products are
   * about 5 % slower, and the weights of a graph that uses them forwards and backwards take a third of the memory.
   */
  readonly prepack?: boolean;
  /** Large products with frozen weights in 8-bit whole numbers (CPU only): much faster, about one per cent off. */
  readonly int8?: boolean;
}
