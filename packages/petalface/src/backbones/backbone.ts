import type { DType, Graph } from "onnx-grad";
import type { ModelChoices, ModelSpec, PreprocessingSource } from "../models/index.ts";
import type { InnerNormalisation } from "./normalisation.ts";

/**
 * How a file has its image input and its embedding, where that is not float32 `[N, 3, size, size]`
 * and `[N, width]`.
 */
export interface FileForm {
  readonly input: { readonly dtype: DType; readonly layout: "nchw" | "nhwc" };
  /**
   * Further dimensions of 1 before and behind those of the embedding, as `[512, 1, 1]` of
   * `[N, 512, 1, 1]`.
   */
  readonly output: { readonly dtype: DType; readonly dims: readonly number[] };
}

/** A frozen face recogniser: its graph with an open batch, and how faces must be fed to it. */
export interface Backbone {
  /** Where the model file is. */
  readonly path: string;
  /** Preprocessing and identity (name, SHA-256 of the file). */
  readonly spec: ModelSpec;
  /** One image input `[N, 3, size, size]`, one embedding output `[N, width]`, N open. */
  readonly graph: Graph;
  readonly input: string;
  readonly output: string;
  /** Side of the square input in pixels. */
  readonly size: number;
  /** Length of an embedding. */
  readonly width: number;
  /** Number of float constants, i.e. weights. */
  readonly parameters: number;
  /** How the file has input and embedding, where that is another form than the graph's. */
  readonly form?: FileForm | undefined;
  /** How the preprocessing became known; undefined for networks that are not files. */
  readonly source?: PreprocessingSource | undefined;
  /** What the user said of it when it was opened. */
  readonly choices?: ModelChoices | undefined;
  /** What the graph itself does to its input first, if anything. */
  readonly normalisation?: InnerNormalisation | undefined;
}
