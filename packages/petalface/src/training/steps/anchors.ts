import { itemAt } from "onnx-grad";
import type { FaceData, FaceLoader } from "../../data/index.ts";
import { random } from "../../random.ts";
import { usesAnchors } from "../losses/names.ts";
import type { TrainingOptions } from "../options/options.ts";
import type { Targets } from "./targets.ts";

/**
 * Anchors that a step adds until there are all: a run then begins at once, and each has been a
 * target's work anyway.
 */
const addedByStep = 32;

/** Frozen embeddings of some training faces, which a loss tells each face from. */
export interface Anchors {
  readonly count: number;
  readonly width: number;
  /** Unit rows; zeros where there is none yet, or none that is finite. */
  readonly rows: Float32Array;
  /**
   * Embeds the anchors that this step and those before it add; what a step has depends on its
   * number alone.
   */
  growTo(step: number): Promise<void>;
  /**
   * 1 for each anchor that is there and another person's than this face, or of another face where
   * people are unknown; else 0.
   */
  others(face: number): Float32Array;
}

/** How many anchors a run has in the end; 0 where its loss takes none. */
export const anchorCount = ({
  options,
  data,
}: {
  readonly options: Pick<TrainingOptions, "loss" | "anchors">;
  readonly data: Pick<FaceData, "length">;
}): number => (usesAnchors(options.loss) ? Math.min(options.anchors, data.length) : 0);

/** The faces that a run's seed chooses as anchors, in the order in which steps add them. */
export function anchorFaces({
  options,
  data,
}: {
  readonly options: Pick<TrainingOptions, "loss" | "anchors" | "seed">;
  readonly data: Pick<FaceData, "length">;
}): number[] {
  const all = Uint32Array.from({ length: data.length }, (_, index) => index);
  return Array.from(random("anchors", options.seed).shuffle(all).subarray(0, anchorCount({ options, data })));
}

/** How many of `count` anchors a step (counted from 0) has. */
export const anchorsOfStep = (step: number, count: number): number => Math.min(count, (step + 1) * addedByStep);

/** The anchors of a run: sharp faces, which the frozen network embeds when a step adds them. */
export function openAnchors(
  {
    data,
    loader,
    options,
  }: {
    readonly data: FaceData;
    readonly loader: Pick<FaceLoader, "load" | "used">;
    readonly options: Pick<TrainingOptions, "loss" | "anchors" | "seed">;
  },
  targets: Targets,
  width: number,
): Anchors {
  const chosen = anchorFaces({ options, data });
  const count = chosen.length;
  const rows = new Float32Array(count * width);
  const faces = new Int32Array(count).fill(-1);
  const people = new Int32Array(count).fill(-1);
  let there = 0;
  return {
    count,
    width,
    rows,
    async growTo(step) {
      const wanted = anchorsOfStep(step, count);
      while (there < wanted) {
        const part = chosen.slice(there, Math.min(there + addedByStep, wanted));
        const planes = await loader.load(part.map((face) => ({ source: data.at(face).source, flip: false, face })));
        const units = await targets.embed(
          part.map((index) => ({ index, flip: false })),
          planes,
        );
        part.forEach((face, i) => {
          const unit = itemAt(units, i);
          if (!Number.isFinite(unit[0])) return;
          rows.set(unit, (there + i) * width);
          faces[there + i] = loader.used(face);
          people[there + i] = data.at(loader.used(face)).person;
        });
        there += part.length;
      }
    },
    others(face) {
      const { person } = data.at(face);
      const found = new Float32Array(count);
      for (let at = 0; at < there; at++) {
        const known = itemAt(faces, at);
        if (known >= 0 && known !== face && (person < 0 || people[at] !== person)) found[at] = 1;
      }
      return found;
    },
  };
}
