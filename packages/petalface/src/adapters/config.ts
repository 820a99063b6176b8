import type { Preprocessing } from "../models/index.ts";
import type { Calibration, QualityWeights } from "../quality/index.ts";
import { type Gate, gateParts } from "./gate.ts";

/** Names of {@link Method}. */
export const methodNames = ["lora", "full", "head", "bias", "dora"] as const;

/**
 * What is trained:
 * - `lora`: low-rank adapters;
 * - `full`: every weight; `head`: the last layer only;
 * - `bias`: the vectors that are added to features or multiply them, which are biases, scales and
 *   shifts of normalisations, slopes (BitFit, Ben Zaken et al. 2022, arXiv 2106.10199);
 * - `dora`: low-rank adapters of the direction of each output's weights, and its length (DoRA, Liu
 *   et al. 2024, arXiv 2402.09353). No gate.
 */
export type Method = (typeof methodNames)[number];

/** Which network an adapter belongs to, and how it was fed. */
export interface BackboneRecord {
  readonly name: string;
  readonly sha256: string;
  /** How pixels became its input; absent in adapters of earlier versions. */
  readonly preprocessing?: Preprocessing | undefined;
  /** Side of the input, where its file leaves that open. */
  readonly size?: number | undefined;
  /** Which output is the embedding, where somebody chose. */
  readonly output?: string | undefined;
}

/** Everything needed to use trained weights on their backbone; saved as `adapter_config.json`. */
export interface AdapterConfig {
  readonly method: Method;
  /** How alpha weights the rank channels (`lora` only). */
  readonly gate: Gate;
  /** Rank channels of each site, all of the gate's parts together: twin of rank 16 is 8 + 8. */
  readonly rank: number;
  /** Factor on the adapter's output. */
  readonly scale: number;
  /** Names of the adapted layers (`lora`, `dora`), in graph order; empty otherwise. */
  readonly sites: readonly string[];
  /** Those of the sites that alpha does not reach: one part's rank, weighted 1 for every image. */
  readonly ungated?: readonly string[];
  /**
   * Whether the running statistics of the batch normalisations were trained too; they are then part
   * of the adapter.
   */
  readonly batchNorm?: "train" | undefined;
  /** The frozen network these weights belong to. */
  readonly backbone: BackboneRecord;
  /** How a face becomes alpha. */
  readonly calibration: Calibration;
  /** Weights of the quality measure, where it has some; saved with the adapter's own. */
  readonly weights?: QualityWeights | undefined;
  /**
   * What is added to the embedding, times 1 - alpha: minus the mean embedding of a camera's crops.
   * Saved with the trained weights.
   */
  readonly centre?: Float32Array | undefined;
}

/** Whether a method has adapters on layers, which are chosen. */
export const adaptsSites = (method: Method): boolean => method === "lora" || method === "dora";

/** The gate of one site. */
export const gateAt = (config: Pick<AdapterConfig, "gate" | "ungated">, site: string): Gate =>
  config.ungated?.includes(site) ? "single" : config.gate;

/** Rank channels of one site. */
export const rankAt = (config: Pick<AdapterConfig, "gate" | "rank" | "ungated">, site: string): number =>
  config.ungated?.includes(site) ? config.rank / gateParts(config.gate) : config.rank;

/**
 * Trained weights and everything needed to use them. `theta` is one flat vector, cut as
 * {@link layoutOf} says.
 */
export interface Adapter {
  readonly config: AdapterConfig;
  readonly theta: Float32Array;
  /** Running means and variances of the batch normalisations, with `batchNorm: "train"`. */
  readonly statistics?: Float32Array | undefined;
}
