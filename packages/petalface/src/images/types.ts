import type { CameraDegradation, CameraSpec } from "./camera/types.ts";

/** An aligned face: 8-bit RGB, row-major H W C. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Where the pixels of one face come from. Plain data, so that it can be posted to a worker. */
export type ImageSource =
  | { readonly kind: "file"; readonly path: string }
  /** A part of a file, such as a verification list. */
  | {
      readonly kind: "bytes";
      readonly path: string;
      readonly offset: number;
      readonly length: number;
      /**
       * `utf8` where each byte was stored as the character of that number, in UTF-8, as Python 3
       * pickles bytes in old protocols.
       */
      readonly encoding?: "utf8" | undefined;
      /** What messages call it. */
      readonly number: number;
    }
  /** A record of MXNet's RecordIO, by its position. */
  | { readonly kind: "record"; readonly path: string; readonly offset: number; readonly number: number }
  /**
   * The bytes of an image file in memory, by its number in its set; shared memory is not copied on
   * the way to a worker.
   */
  | { readonly kind: "memory"; readonly number: number; readonly bytes: Uint8Array }
  | { readonly kind: "synthetic"; readonly seed: number; readonly person: number; readonly image: number };

/** Area-shrunk to `pixels` x `pixels` and enlarged back, bilinear. */
export interface LowResolution {
  readonly kind: "lr";
  /** Side in pixels of the low-resolution face, at least 2. */
  readonly pixels: number;
}

/**
 * What is done to one face, down to the last number. Plain data, so that it can be posted to a
 * worker.
 */
export type Degradation = LowResolution | CameraDegradation;

/** Several specs, of which every face gets one. */
export interface MixtureSpec {
  readonly kind: "mixture";
  readonly parts: readonly {
    /** Share of the faces; all sum to 1. */
    readonly share: number;
    readonly spec: LowResolution | CameraSpec;
  }[];
}

/**
 * What may be done to faces, as `--degrade` spells it: `lr:16`, stages with ranges that every face
 * draws from, or several of these.
 */
export type DegradationSpec = LowResolution | CameraSpec | MixtureSpec;

/** One face to prepare for the network. */
export interface ImageRequest {
  readonly source: ImageSource;
  /** Mirror left and right (before the degradation). */
  readonly flip: boolean;
  readonly degrade?: Degradation | undefined;
  /**
   * Number of the face within its data set, which a loader needs that takes another one where this
   * cannot be read.
   */
  readonly face?: number | undefined;
  /** Score that came with the face, for models that take it as an input; no pixel depends on it. */
  readonly quality?: number | undefined;
}
