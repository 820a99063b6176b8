import { createTopK, normaliseRows, openMatcher, type RowSource, scanBlocks } from "petalface/matching";
import { joinRows } from "../skeleton/linear.ts";
import { facesEach, openDrawer, probeKinds, width } from "./data.ts";

/** Who is nearest to each probe by the mean of a person's faces, compared with everybody. */
export interface NearestJob {
  readonly kind: "nearest";
  readonly count: number;
  readonly probes: number;
  readonly threads: number;
}

/**
 * The nearest person of each probe in float32, one list a kind of probes. The embeddings are drawn
 * again, so that nothing of the gallery is involved.
 */
export async function nearestOfAll({ count, probes, threads }: NearestJob): Promise<number[][]> {
  const drawer = openDrawer();
  const rows = joinRows(probeKinds.map((kind) => drawer.probes(kind, count, probes).rows));
  const matcher = await openMatcher(width, { threads });
  const best = createTopK(probeKinds.length * probes, 1);
  const means: RowSource = {
    width,
    count: Math.ceil(count / facesEach),
    read: (first, people) => {
      const faces = Math.min(people * facesEach, count - first * facesEach);
      return Promise.resolve(meansOf(drawer.faces(first * facesEach, faces), people));
    },
  };
  await scanBlocks(matcher, rows, means, ({ firstProbe, probes: some, firstFace, faces, stride, scores }) => {
    for (let probe = 0; probe < some; probe++)
      best.offer(firstProbe + probe, scores, probe * stride, faces, firstFace, -1);
  });
  await matcher.close();
  const nearest = [...best.finish().rows];
  return probeKinds.map((_, kind) => nearest.slice(kind * probes, (kind + 1) * probes));
}

/** Means of each person's faces, of length 1. */
function meansOf(faces: Float32Array, people: number): Float32Array {
  const out = new Float32Array(people * width);
  for (let at = 0; at < faces.length; at++) {
    const face = Math.floor(at / width);
    out[Math.floor(face / facesEach) * width + (at % width)] += faces[at];
  }
  return normaliseRows(out, width);
}
