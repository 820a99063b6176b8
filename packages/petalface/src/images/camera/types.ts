/**
 * How an image is resampled. `area` averages boxes and only shrinks; the others are those of Pillow
 * and libvips.
 */
export type Kernel = "area" | "bilinear" | "bicubic" | "nearest" | "lanczos";

/**
 * What a camera does to a face, one thing after the other (docs/degradation.md has the formulas).
 */
export type StageName =
  | "down"
  | "blur"
  | "defocus"
  | "motion"
  | "turbulence"
  | "noise"
  | "shot"
  | "gamma"
  | "sharpen"
  | "jitter"
  | "grey"
  | "ir"
  | "jpeg"
  | "h264";

/** One thing done to one face. */
export interface Stage {
  readonly name: StageName;
  /** In the stage's unit ({@link stageRules}). */
  readonly value: number;
  /** Only of `down`. */
  readonly kernel?: Kernel;
}

/** One stage of a spec: a value is drawn evenly from `low` to `high`, both included. */
export interface StageRange {
  readonly name: StageName;
  readonly low: number;
  readonly high: number;
  /** Only of `down`: one of these is drawn. */
  readonly kernels?: readonly Kernel[];
  /** Share of the faces that the stage is done to. */
  readonly share: number;
}

/** A random degradation: stages in order, then back to the old size. */
export interface CameraSpec {
  readonly kind: "camera";
  readonly stages: readonly StageRange[];
  /** One of these enlarges the face at the end. */
  readonly up: readonly Kernel[];
  /** Other seeds draw other values. */
  readonly seed: number;
}

/** A {@link CameraSpec} with everything drawn; `seed` is for noise, directions and warps. */
export interface CameraDegradation {
  readonly kind: "camera";
  readonly stages: readonly Stage[];
  readonly up: Kernel;
  readonly seed: number;
}
