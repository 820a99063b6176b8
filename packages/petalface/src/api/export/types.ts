import type { ExportAlpha, Precision } from "../../adapters/index.ts";
import type { GivenModel } from "../model.ts";
import type { CallOptions } from "../surroundings.ts";
import type { Written } from "./deploy.ts";
import type { FormFlags } from "./form.ts";
import type { PrecisionFlags } from "./precision.ts";
import type { PrecisionLoss } from "./precision-loss.ts";

/** Faces that a precision is measured on unless others are given. */
export const defaultExportFaces = "synthetic:people=60,images=4,seed=7";

/** What to deploy, in which form, and where to write it. */
export interface ExportOptions
  extends Omit<GivenModel, "provider" | "fast" | "output" | "threads">,
    Partial<PrecisionFlags>,
    FormFlags,
    CallOptions {
  /** The `.onnx` file to write; a folder for a target. */
  readonly out: string;
  /** Name of the model's output that is the embedding, where there are several. */
  readonly output?: string | undefined;
  /**
   * Markdown file for a model card: what it is, how it was trained and measured. None unless given.
   */
  readonly card?: string | undefined;
  /**
   * A file of thresholds to carry along; those of the adapter's run unless given. Not with
   * `mirror`, which changes similarities.
   */
  readonly thresholds?: string | undefined;
  /**
   * Also embeds mirror images, weighted by 1 - alpha, so only those of low-resolution faces count.
   * It can be more accurate, and is half as fast. Default false.
   */
  readonly mirror?: boolean | undefined;
  /**
   * Where alpha comes from: judged inside the model (`quality`, the default), a second input
   * (`input`), or a number from 0 to 1.
   */
  readonly alpha?: ExportAlpha | undefined;
}

/** What was written. */
export interface ExportedFile {
  /** The model's file, of the first target where there are several. */
  readonly file: string | undefined;
  /** Name of the image input. */
  readonly input: string | undefined;
  /** A second input that takes the quality of each face, where the model does not judge it. */
  readonly quality?: string;
  /** Name of the embedding output. */
  readonly output: string | undefined;
  /** null for a frozen model. */
  readonly alpha: ExportAlpha | null;
  readonly size: number;
  readonly width: number;
  readonly precision: Precision;
  /** What the precision costs against float32; null where nothing was changed. */
  readonly loss: PrecisionLoss | null;
  /** Of each target its files and their form. */
  readonly written: readonly Written[];
}
