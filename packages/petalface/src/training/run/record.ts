import type { AdapterConfig } from "../../adapters/index.ts";
import type { Preprocessing } from "../../models/index.ts";
import type { SetFindings } from "../../quality/index.ts";
import type { TrainingOptions } from "../options/options.ts";
import type { ValidationRequest, ValidationScore } from "./validation.ts";

/** Where a file or folder of a run was when the run was started. */
export interface Place {
  readonly absolute: string;
  /** From the run's folder, for runs that are moved together with what they need. */
  readonly relative: string;
}

/** Places by the path as it was given. */
export type Places = Readonly<Record<string, Place>>;

/** A change of a run that went on. */
export interface RunChange {
  readonly step: number;
  readonly learningRate: number;
  /** Where the number of epochs changed. */
  readonly epochs?: number | undefined;
  /**
   * Whether the run has the bits of one that was planned with so many epochs from the beginning.
   */
  readonly asPlanned?: boolean | undefined;
}

/** A share of a gain in per cent, and its 95 % interval. */
export type MeasuredShare = readonly [value: number, low: number, high: number];

/** How the length of a run was planned from minutes. Nothing of it changes the training. */
export interface RunPlan {
  readonly minutes: number;
  /** Training images a second, from a few steps that were timed before. */
  readonly imagesPerSecond: number;
  /** What is known of runs of such a length. */
  readonly expected: {
    /** Images of the longest measured run, whose gain the shares are of. */
    readonly longest: number;
    /**
     * Measured runs of other networks that were as long or shorter: their share of that run's gain
     * in rank-1 at 16 and 12 px. None where this run is longer or shorter than all of them.
     */
    readonly measured: readonly {
      readonly network: string;
      readonly images: number;
      readonly at16: MeasuredShare;
      readonly at12: MeasuredShare;
    }[];
  };
}

/** Content of a run's `run.json`: everything that makes the run what it is. */
export interface RunRecord {
  readonly format: 1;
  readonly options: TrainingOptions;
  readonly model: {
    readonly given: string;
    readonly normalize?: string | undefined;
    readonly name: string;
    readonly sha256: string;
    /** How faces were fed to it, where nothing said so and it was assumed. */
    readonly assumed?: Preprocessing | undefined;
    /** Of a network that was imported. */
    readonly family?: string | undefined;
  };
  readonly data: {
    readonly spec: string;
    readonly fingerprint: string;
    readonly images: number;
    readonly people: number;
    /** SHA-256 of the scores that came with the faces, where quality is `external`. */
    readonly scores?: string | undefined;
    /** The kind of faces that was found, where alpha's range was fitted on them. */
    readonly set?: SetFindings | undefined;
  };
  /**
   * Everything about the adapter but the numbers of its quality measure, which are stored next to
   * it.
   */
  readonly adapter: Omit<AdapterConfig, "weights">;
  /** The adapter that training started from, where it is not a new one. */
  readonly init?: { readonly given: string; readonly sha256: string } | undefined;
  /** The crops that the adapter is centred on once training has ended. */
  readonly camera?: { readonly given: string; readonly fingerprint: string; readonly crops: number } | undefined;
  readonly steps: number;
  /** Where the steps were planned from minutes. */
  readonly plan?: RunPlan | undefined;
  /** What the run is validated on, if anything. */
  readonly validation?: (ValidationRequest & { readonly measure: string; readonly fingerprint: string }) | undefined;
  /**
   * Where model, data, validation and weights of the quality measure were when the run was started;
   * absent in older runs.
   */
  readonly places?: Places | undefined;
  /** What a resumed run was given instead of what was before, and from which step on. */
  readonly changes?: readonly RunChange[] | undefined;
  /**
   * Once a run with a validation protocol has ended: its last step, and where the adapter that was
   * kept is from.
   */
  readonly result?: { readonly steps: number; readonly best: ValidationScore & { readonly step: number } } | undefined;
  readonly trained: { readonly parameters: number; readonly share: number };
  readonly machine: { readonly threads: number; readonly provider: string };
  readonly versions: Readonly<Record<string, string>>;
  /** Commit of petalface's repository, where the run was made from its sources. */
  readonly commit?: string | undefined;
}
