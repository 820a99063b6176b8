import type { StoredTensor, TrainingOptions } from "petalface/portable";

/** Where a trained tensor lies: in theta, in the adapter's file and in the bytes of `face.onnx`. */
export interface Place {
  /** Name in `adapter_model.safetensors`. */
  readonly name: string;
  readonly dims: StoredTensor["shape"];
  /** First element in theta, and how many follow. */
  readonly offset: number;
  readonly length: number;
  /** First byte in `face.onnx`. */
  readonly byte: number;
}

/** Where a graph's file keeps the range of alpha: `alpha = clip((score - low) * slope, 0, 1)`. */
export interface AlphaPlaces {
  /** Bytes of the float32 numbers `low` and `slope`. */
  readonly low: number;
  readonly slope: number;
}

/** Names of the files whose alpha range the page fills in. */
export type AlphaFile = "train-webgpu" | "train-wasm" | "face";

/**
 * `studio.json`: what the page must know of the graphs that are next to it. Made by prepare.ts, in
 * Node.
 */
export interface StudioPlan {
  readonly format: 1;
  readonly model: {
    readonly name: string;
    readonly parameters: number;
    readonly size: number;
    readonly width: number;
    readonly input: string;
    readonly output: string;
    readonly mean: readonly [number, number, number];
    readonly scale: readonly [number, number, number];
    readonly channels: "rgb" | "bgr";
    readonly sha256: string;
  };
  readonly options: TrainingOptions;
  /** Low resolutions that are measured, in pixels. */
  readonly measured: readonly number[];
  /** Inputs and outputs of `train-*.onnx`. */
  readonly train: { readonly image: string; readonly loss: string; readonly alpha: string; readonly gradient: string };
  /** Trained numbers, and where each tensor of them lies. */
  readonly trained: number;
  readonly places: readonly Place[];
  /**
   * The quality measure and its output in `quality.onnx`; its calibration is fitted on the
   * visitor's faces.
   */
  readonly quality: { readonly measure: string; readonly score: string };
  readonly alpha: Readonly<Record<AlphaFile, AlphaPlaces>>;
}
