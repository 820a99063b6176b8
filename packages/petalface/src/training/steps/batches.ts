import { itemAt } from "onnx-grad";
import type { FaceData, FaceLoader } from "../../data/index.ts";
import type { ImageRequest } from "../../images/index.ts";
import type { Ranks } from "../../ranks.ts";
import type { TrainingOptions } from "../options/options.ts";
import type { Prefix } from "../prefix/prefix.ts";
import type { Anchors } from "./anchors.ts";
import { type Draw, sampler } from "./sampler.ts";
import { shareOf } from "./share.ts";
import type { Targets } from "./targets.ts";

/**
 * The faces of one step as the loader made them; of several ranks each loads those that it
 * computes.
 */
export interface PreparedStep {
  /** Counted from 0. */
  readonly step: number;
  /** Of the whole batch. */
  readonly draws: readonly Draw[];
  /**
   * Places of the batch whose pixels this rank needs: all of its own, unless what the frozen layers
   * make of them is kept.
   */
  readonly shown: readonly number[];
  /** `shown.length x 3 x size x size` RGB planes. */
  readonly pixels: Uint8Array;
  /**
   * Faces whose target is not known yet, by the rank that computes it, and the sharp pixels of this
   * rank's.
   */
  readonly fresh: readonly (readonly Draw[])[];
  readonly freshPixels: Uint8Array;
  /** Whether the targets and anchors of this step are here already. */
  readonly hasTargets: boolean;
}

/** How the loader is asked for a drawn face. */
export const requestOf = (data: FaceData, { index, flip, degrade }: Draw): ImageRequest => ({
  source: data.at(index).source,
  flip,
  degrade,
  face: index,
});

/**
 * Asks the loader for every step's faces, in order. What must be asked for depends on the order
 * only, so that every rank knows what the others keep.
 */
export function* prepareSteps(
  task: {
    readonly data: FaceData;
    readonly loader: Pick<FaceLoader, "load" | "size">;
    readonly options: TrainingOptions;
    readonly steps: number;
    readonly ranks: Ranks;
  },
  kept: { readonly targets: Targets | undefined; readonly prefix: Prefix | undefined },
  first: number,
): Generator<Promise<PreparedStep>> {
  const { data, loader, options, steps, ranks } = task;
  const { targets, prefix } = kept;
  const share = shareOf(options, ranks);
  const draw = sampler(options, data.length);
  for (let step = first; step < steps; step++) {
    const draws = draw(step);
    const fresh: Draw[][] = ranks.hosts.map(() => []);
    const shown: number[] = [];
    draws.forEach((each, place) => {
      const rank = share.rankOf(place);
      if (targets?.claim(each.index, each.flip)) fresh[rank]?.push(each);
      if ((prefix === undefined || prefix.claim(each, rank)) && rank === ranks.rank) shown.push(place);
    });
    const own = fresh[ranks.rank] ?? [];
    const requests = [
      ...shown.map((place) => requestOf(data, itemAt(draws, place))),
      ...own.map((face) => requestOf(data, { ...face, degrade: undefined })),
    ];
    yield loader.load(requests).then((planes) => {
      const split = shown.length * 3 * loader.size * loader.size;
      const pixels = planes.subarray(0, split);
      return { step, draws, shown, pixels, fresh, freshPixels: planes.subarray(split), hasTargets: false };
    });
  }
}

/** Where the targets of a step come from; nothing where the loss takes none. */
export interface TargetSource {
  readonly targets: Targets | undefined;
  readonly anchors: Anchors | undefined;
}

/** Computes the targets and anchors that a step needs, unless they are here. */
export async function embedTargets({ targets, anchors }: TargetSource, batch: PreparedStep): Promise<void> {
  if (batch.hasTargets) return;
  await targets?.add(batch.fresh, batch.freshPixels);
  await anchors?.growTo(batch.step);
}

/**
 * As {@link prepareSteps} without a prefix. The faces of the first step are loaded from now on, and
 * by a single process its targets are computed: while the training graph is loaded. What fails then
 * is thrown where the first step is asked for.
 */
export function beginSteps(
  task: Parameters<typeof prepareSteps>[0],
  kept: TargetSource,
  first: number,
): Iterable<Promise<PreparedStep>> {
  const steps = prepareSteps(task, { targets: kept.targets, prefix: undefined }, first);
  const { value: loading, done } = steps.next();
  if (done) return [];
  // Several ranks exchange targets, each in the same order as the others.
  const begun =
    task.ranks.count > 1
      ? loading
      : loading.then(async (batch) => {
          await embedTargets(kept, batch);
          return { ...batch, hasTargets: true };
        });
  begun.catch(() => undefined);
  return (function* () {
    yield begun;
    yield* steps;
  })();
}
