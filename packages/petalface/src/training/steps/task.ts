import type { Session } from "../../runtime/index.ts";
import type { Prefix } from "../prefix/prefix.ts";
import type { RunParts } from "../run/types.ts";
import type { Anchors } from "./anchors.ts";
import type { TrainingGraph } from "./graph.ts";
import type { Draw } from "./sampler.ts";
import type { Share } from "./share.ts";
import type { Targets } from "./targets.ts";

/** The graphs that compute the steps of a run, loaded. */
export interface Engines {
  /** Places of the draws that the frozen model has no finite embedding of, as they are shown. */
  readonly findNotFinite: (draws: readonly Draw[]) => Promise<readonly number[]>;
  readonly graph: TrainingGraph;
  readonly engine: Session;
  readonly targets: Targets | undefined;
  readonly anchors: Anchors | undefined;
  /** Gives what the graph takes instead of images, where it is cut. */
  readonly prefix: Prefix | undefined;
}

/** What the steps of a run share. */
export interface StepTask
  extends Pick<RunParts, "backbone" | "data" | "loader" | "options" | "steps" | "ranks">,
    Engines {
  /** Which parts of a step this rank computes. */
  readonly share: Share;
}
