import type { GraphBuilder } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";
import type { QualityWeights } from "./weights.ts";

/**
 * A no-reference quality measure: image -> score, as a graph, so that it runs wherever the model
 * runs.
 */
export interface QualityMeasure {
  readonly name: string;
  /** One line for people choosing a measure. */
  readonly description: string;
  /** What it learned, where it did; absent where it needs nothing. */
  readonly weights?: QualityWeights | undefined;
  /** Adds the measure to a graph: from the network's input `[N, 3, size, size]` to scores `[N]`. */
  build(b: GraphBuilder, backbone: Backbone, image: string): string;
}

/** What was calibrated. */
interface Calibrated {
  readonly measure: string;
  /** SHA-256 of the measure's weights, where it has some ({@link QualityWeights}). */
  readonly weights?: string | undefined;
}

/**
 * The map from score to alpha: 0 at `low`, 1 at `high`, linear between, clamped. `low` may be the
 * larger number: then a smaller score is better. Fitted on the user's training set and stored with
 * the adapter.
 */
export interface LinearCalibration extends Calibrated {
  readonly kind?: "linear" | undefined;
  /**
   * Score at which alpha is 0 and beyond: the quality of the best low-resolution face that training
   * shows.
   */
  readonly low: number;
  /** Score at which alpha is exactly 1 and beyond: a sharp face. */
  readonly high: number;
}

/**
 * The released code's rule, `alpha = 0.5 + (score - threshold)`: not clamped, not scaled, and blind
 * to the direction of the measure. For parity with the paper's numbers only.
 */
export interface PaperCalibration extends Calibrated {
  readonly kind: "paper";
  /** The mean score of the training set. */
  readonly threshold: number;
}

/** Alpha is not judged from the image but given with it: the adapter came without saying how. */
export interface GivenCalibration {
  readonly kind: "given";
  readonly weights?: undefined;
  /** No measure has that name. */
  readonly measure: "given";
}

/** How a score becomes alpha. */
export type Calibration = LinearCalibration | PaperCalibration | GivenCalibration;
