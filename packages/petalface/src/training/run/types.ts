import type { AdapterConfig, Layout } from "../../adapters/index.ts";
import type { Backbone } from "../../backbones/index.ts";
import type { FaceData, FaceLoader } from "../../data/index.ts";
import type { Ranks } from "../../ranks.ts";
import type { Provider, SessionOptions } from "../../runtime/index.ts";
import type { TrainingOptions } from "../options/options.ts";
import type { TrainingState } from "../state/checkpoint.ts";
import type { TargetCache, Targets } from "../steps/targets.ts";
import type { MetricsRecord, StepRecord } from "./metrics.ts";
import type { RunRecord } from "./record.ts";
import type { OpenValidator, ValidationRecord, Validator } from "./validation.ts";

/** What a run works with: everything open that its steps need. */
export interface RunParts {
  readonly backbone: Backbone;
  readonly data: FaceData;
  readonly loader: FaceLoader;
  readonly session: SessionOptions;
  readonly validator: Validator | undefined;
  readonly options: TrainingOptions;
  /** Of the adapter, with the weights of its quality measure where that has some. */
  readonly config: AdapterConfig;
  readonly layout: Layout;
  /** Total steps of the run. */
  readonly steps: number;
  /** The processes that train together. */
  readonly ranks: Ranks;
}

/** A run between two steps, ready to continue; its folder is locked until it is disposed of. */
export interface Run extends RunParts, AsyncDisposable {
  /** Checkpoints and metrics go there. */
  readonly folder: string;
  readonly record: RunRecord;
  /** What training changes, in place. */
  readonly state: TrainingState;
  /** The teacher, where it was opened while the rest of the run was prepared. */
  readonly targets?: Targets | undefined;
  /** Records of the run so far, up to the state's step. */
  readonly history: readonly MetricsRecord[];
}

/** What surrounds a training run without changing its result (but for the number of threads). */
export interface AdaptContext {
  readonly threads?: number | undefined;
  readonly provider?: Provider | undefined;
  /**
   * Most bytes of a file in the run's folder for what frozen layers make of the images, with
   * `variants`; 0: none. 4 GiB unless given.
   */
  readonly prefixBytes?: number | undefined;
  /** Stops the run after the current step, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  /** Called once the run is known, before the first step. */
  readonly onStart?: ((run: RunRecord, firstStep: number) => void) | undefined;
  readonly onStep?: ((record: StepRecord, run: RunRecord) => void) | undefined;
  readonly onValidation?: ((record: ValidationRecord, run: RunRecord) => void) | undefined;
  /** Called once for each training face that is left out, with one line that names it. */
  readonly onLeftOut?: ((message: string) => void) | undefined;
  /** Opens the validation protocol of a run that has one; needed to start and to resume it. */
  readonly openValidator?: OpenValidator | undefined;
  /** Distillation targets shared by runs on the same model, set and engine. */
  readonly targetCache?: TargetCache | undefined;
  /**
   * Share of the training faces, in [0, 1], that may be left out; 0.05 unless given. Not for data
   * that is already open.
   */
  readonly mostLeftOut?: number | undefined;
  /** The processes that train together, this one among them; it works by itself unless given. */
  readonly ranks?: Ranks | undefined;
  /** Data already open (a subset, say) instead of the one that the spec names. */
  readonly data?: FaceData | undefined;
}

/** What may change when a run is continued. */
export interface ResumeChanges {
  /**
   * Another peak learning rate from here on; noted in `run.json`. The result is then another than
   * that of an uninterrupted run.
   */
  readonly learningRate?: number | undefined;
  /**
   * Another number of epochs, also for a run that has ended; noted in `run.json`, with whether the
   * result is that of a run planned so.
   */
  readonly epochs?: number | undefined;
  /**
   * Where the model, the training set and the validation's files are now, if neither where they
   * were nor the same way from the run.
   */
  readonly model?: string | undefined;
  readonly train?: string | undefined;
  readonly val?: string | undefined;
  readonly valData?: string | undefined;
}
