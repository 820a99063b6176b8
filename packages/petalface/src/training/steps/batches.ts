import type { FaceData, FaceLoader } from "../../data/index.ts";
import type { TrainingOptions } from "../options/options.ts";
import type { Prefix } from "../prefix/prefix.ts";
import { type Draw, sampler } from "./sampler.ts";
import type { Targets } from "./targets.ts";

/** The faces of one step as the loader made them. */
export interface PreparedStep {
  /** Counted from 0. */
  readonly step: number;
  readonly draws: readonly Draw[];
  /** Draws whose pixels are needed: all, unless what the frozen layers make of them is kept. */
  readonly shown: readonly Draw[];
  /** `shown.length x 3 x size x size` RGB planes. */
  readonly pixels: Uint8Array;
  /** Faces whose target is not known yet, and their sharp pixels. */
  readonly fresh: readonly Draw[];
  readonly freshPixels: Uint8Array;
}

/**
 * Asks the loader for every step's faces, in order. What must be asked for depends on the order
 * only.
 */
export function* prepareSteps(
  task: {
    readonly data: FaceData;
    readonly loader: Pick<FaceLoader, "load" | "size">;
    readonly options: TrainingOptions;
    readonly steps: number;
  },
  kept: { readonly targets: Targets | undefined; readonly prefix: Prefix | undefined },
  first: number,
): Generator<Promise<PreparedStep>> {
  const { data, loader, options, steps } = task;
  const { targets, prefix } = kept;
  const draw = sampler(options, data.length);
  const request = ({ index, flip, degrade }: Draw) => ({ source: data.at(index).source, flip, degrade, face: index });
  for (let step = first; step < steps; step++) {
    const draws = draw(step);
    const fresh = targets === undefined ? [] : draws.filter(({ index, flip }) => targets.claim(index, flip));
    const shown = prefix === undefined ? draws : draws.filter((each) => prefix.claim(each));
    const requests = [...shown.map(request), ...fresh.map((face) => request({ ...face, degrade: undefined }))];
    yield loader.load(requests).then((planes) => {
      const split = shown.length * 3 * loader.size * loader.size;
      return { step, draws, shown, pixels: planes.subarray(0, split), fresh, freshPixels: planes.subarray(split) };
    });
  }
}
