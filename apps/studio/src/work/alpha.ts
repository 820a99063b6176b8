import { calibrate, type Degradation, type Pixels } from "petalface/portable";
import type { StudioPlan } from "../plan.ts";
import { outputOf, type Run } from "./engine.ts";
import { planesOf } from "./faces.ts";
import type { AlphaRange } from "./result.ts";
import { inputOf } from "./train.ts";

/** How many faces the calibration looks at. */
const most = 256;

/**
 * Alpha's range fitted on the training faces, sharp and at the best low resolution that training
 * shows, as `petalface adapt` does. Throws where they cannot be distinguished: the faces are
 * blurred themselves.
 */
export async function fitAlpha(plan: StudioPlan, faces: readonly Pixels[], quality: Run): Promise<AlphaRange> {
  const { batch, lrPixels } = plan.options;
  const every = Math.max(1, Math.floor(faces.length / most));
  const chosen = faces.filter((_, index) => index % every === 0).slice(0, most);
  const scores = async (degrade?: Degradation): Promise<number[]> => {
    const all: number[] = [];
    for (let start = 0; start < chosen.length; start += batch) {
      const part = chosen.slice(start, start + batch);
      const full = Array.from({ length: batch }, (_, i) => ({ pixels: part[i % part.length], degrade }));
      const image = inputOf(plan, planesOf(full, plan.model.size), batch);
      const result = outputOf(await quality({ [plan.model.input]: image }), plan.quality.score);
      all.push(...result.subarray(0, part.length));
    }
    return all;
  };
  const judge = { name: plan.quality.measure };
  return calibrate(judge, await scores(), await scores({ kind: "lr", pixels: Math.max(...lrPixels) }));
}
