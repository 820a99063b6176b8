import type { Tensor } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import type { FileSession, Port } from "../../runtime/index.ts";
import type { Detection } from "../nms.ts";

/** Names of the kinds of detectors. */
export type DetectorKind = "scrfd" | "yunet" | "retinaface" | "ultraface";

/** How one kind of detector is fed and read. */
export interface Layout {
  readonly kind: DetectorKind;
  readonly hasPoints: boolean;
  /**
   * The input is `(x - mean) * scale` for each channel, x in 0..255, in the order of `channels`.
   */
  readonly mean: readonly [number, number, number];
  readonly scale: number;
  readonly channels: "rgb" | "bgr";
  /**
   * Scores from which on a box counts as a face, and shared area from which on two boxes are one
   * face.
   */
  readonly threshold: number;
  readonly overlap: number;
  /** Sides of a free canvas are multiples of this. */
  readonly multiple: number;
  /** Boxes with at least this score, in pixels of the canvas, before any suppression. */
  decode(outputs: Readonly<Record<string, Tensor>>, width: number, height: number, least: number): Detection[];
}

/** Looks at a file's inputs and outputs: its layout, or undefined where it is of another kind. */
export type Recognise = (session: FileSession) => Layout | undefined;

/** Length of an output's last dimension; 0 where it is open. */
export const lastDim = ({ dims }: Port): number => dims.at(-1) ?? 0;

/**
 * The float32 numbers of an output. Throws if there are none of this name, which is a mistake of
 * ours.
 */
export function floats(outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const tensor = outputs[name];
  if (tensor?.dtype !== "float32") throw new Error(`the detector put out no float32 "${name}"`);
  return tensor.data;
}

/**
 * Throws PetalfaceError where a file has not the grid of its kind: it was made for other prior
 * boxes.
 */
export function requireRows(kind: DetectorKind, rows: number, wanted: number, width: number, height: number): void {
  if (rows !== wanted)
    throw new PetalfaceError(
      "PETAL_MODEL_UNSUPPORTED",
      `the detector looks like ${kind} but gives ${rows} boxes for ${width} x ${height} pixels instead of ${wanted}; its grid is not known`,
    );
}
