import { itemAt, lastOf } from "onnx-grad";
import type { FaceData, Tally } from "../../data/index.ts";
import { drawDegradation, type Loader, nameOfFace, parseDegradation } from "../../images/index.ts";
import { quantile } from "../../quality/index.ts";
import { type Judge, judgedAtOnce } from "./judges.ts";

/** Known degradations, each from mild to strong. */
const ladders: Readonly<Record<string, readonly string[]>> = {
  "low resolution": ["lr:56", "lr:40", "lr:32", "lr:24", "lr:16", "lr:12", "lr:8"],
  blur: ["blur=0.5", "blur=1", "blur=2", "blur=3"],
  noise: ["noise=2", "noise=5", "noise=10", "noise=20"],
  JPEG: ["jpeg=80", "jpeg=50", "jpeg=30", "jpeg=10"],
};

/** What a measure made of one ladder. */
export interface Ladder {
  readonly measure: string;
  readonly degradation: string;
  /** Median score at each step; the first is the face as it is. */
  readonly steps: readonly { readonly spec: string; readonly median: number }[];
  /**
   * Share of (face, step) whose score moved towards lower quality from one step to the next; chance
   * is a half.
   */
  readonly towardsPoorer: number;
}

/** Faces that are tried at most. */
const most = 128;

/**
 * Tries measures on faces that are degraded step by step. The lowest resolution shows the direction
 * of lower quality, whatever way the measure counts. A face whose score is not finite at a step of
 * a ladder is in none of that ladder's numbers. The tally counts it.
 */
export async function tryLadders(
  data: FaceData,
  judges: readonly Judge[],
  loader: Pick<Loader, "load" | "size">,
  { tally, signal }: { readonly tally: Tally; readonly signal: AbortSignal },
): Promise<Ladder[]> {
  const seeing = judges.filter(({ embedder }) => embedder !== undefined);
  const count = Math.min(most, data.length);
  const faces = Array.from({ length: count }, (_, i) => Math.floor((i * data.length) / count));
  const judge = async (spec: string | undefined): Promise<Float32Array[]> => {
    const wanted = spec === undefined ? undefined : parseDegradation(spec);
    const all = seeing.map(() => new Float32Array(count));
    for (let start = 0; start < count; start += judgedAtOnce) {
      signal.throwIfAborted();
      const part = faces.slice(start, start + judgedAtOnce);
      const planes = await loader.load(
        part.map((face) => ({
          source: data.at(face).source,
          flip: false,
          degrade: wanted === undefined ? undefined : drawDegradation(wanted, data.at(face).id),
        })),
      );
      for (const [place, { embedder }] of seeing.entries())
        if (embedder) all[place]?.set((await embedder.embed(planes, part.length)).data, start);
    }
    return all;
  };
  const sharp = await judge(undefined);
  const found: Ladder[] = [];
  const directions = seeing.map(() => -1);
  const counted = new Set<number>();
  const leave = (place: number, name: string): void => {
    const face = itemAt(faces, place);
    if (counted.has(face)) return;
    counted.add(face);
    tally.bad(`${nameOfFace(data.at(face).source)}: its ${name} is not finite once it is degraded`, "notFinite");
  };
  for (const [degradation, all] of Object.entries(ladders)) {
    // A low resolution that is none at this size would count as a step without effect.
    const specs = all.filter((spec) => !spec.startsWith("lr:") || Number(spec.slice(3)) < loader.size);
    const rungs = [sharp];
    for (const spec of specs) rungs.push(await judge(spec));
    seeing.forEach(({ name }, place) => {
      const all = rungs.map((rung) => itemAt(rung, place));
      const finite = faces.map((_, face) => all.every((rung) => Number.isFinite(rung[face])));
      finite.forEach((known, face) => {
        if (!known) leave(face, name);
      });
      const scores = all.map((rung) => rung.filter((_, face) => finite[face]));
      const kept = scores[0]?.length ?? 0;
      if (kept === 0) return;
      const medians = scores.map((rung) => quantile(rung, 0.5));
      if (degradation === "low resolution") directions[place] = lastOf(medians) < itemAt(medians, 0) ? -1 : 1;
      let moved = 0;
      for (let step = 1; step < scores.length; step++)
        for (let face = 0; face < kept; face++) {
          const change = itemAt(itemAt(scores, step), face) - itemAt(itemAt(scores, step - 1), face);
          if (change * itemAt(directions, place) > 0) moved++;
        }
      found.push({
        measure: name,
        degradation,
        steps: medians.map((median, step) => ({ spec: step === 0 ? "as it is" : itemAt(specs, step - 1), median })),
        towardsPoorer: moved / (kept * specs.length),
      });
    });
  }
  return found;
}
