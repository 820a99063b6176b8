import type { AdapterConfig, Layout } from "../../adapters/index.ts";
import type { Backbone } from "../../backbones/index.ts";
import type { FaceData, FaceLoader } from "../../data/index.ts";
import type { SessionOptions } from "../../runtime/index.ts";
import type { TrainingOptions } from "../options/options.ts";
import type { TrainingState } from "../state/checkpoint.ts";
import type { MetricsRecord } from "./metrics.ts";
import type { RunRecord } from "./run.ts";
import type { Validator } from "./validation.ts";

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
}

/** A run between two steps, ready to continue; its folder is locked until it is disposed of. */
export interface Run extends RunParts, AsyncDisposable {
  /** Checkpoints and metrics go there. */
  readonly folder: string;
  readonly record: RunRecord;
  /** What training changes, in place. */
  readonly state: TrainingState;
  /** Records of the run so far, up to the state's step. */
  readonly history: readonly MetricsRecord[];
}
