import { itemAt } from "onnx-grad";
import { candidateCosines } from "./score.ts";
import type { Candidate, GallerySearcher } from "./search.ts";
import type { GalleryStore } from "./store.ts";
import type { TemplateRule } from "./templates.ts";

/** Faces that the index is asked for. */
const asked = 200;
/** People of these who are then compared exactly: the nearest, and more where more are wanted. */
const compared = 48;
/** Faces that stand in for strangers when thresholds are estimated. */
const sampled = 256;

/**
 * Opens search by the index of a gallery (HNSW; usearch or pgvector): the nearest 200 faces, and of
 * a poor probe the nearest 200 low-resolution copies, say which 48 people are compared in float32.
 * Nothing is loaded, but who the index misses is not found.
 *
 * @throws PetalfaceError at the first search, where the gallery has no index
 */
export async function openIndexedSearcher(store: GalleryStore, rule: TemplateRule): Promise<GallerySearcher> {
  const { width } = (await store.record()).space;
  const people = await store.people();
  return {
    kind: `index of ${store.indexedBy}, then float32`,
    faces: await store.count(),
    people: people.length,
    async sample(most) {
      const count = Math.min(most, sampled, people.length);
      const chosen = Array.from(
        { length: count },
        (_, at) => people[Math.floor((at * people.length) / count)]?.id ?? 0,
      );
      return await store.read({ people: chosen });
    },
    async search({ rows, alpha, without }, top, signal) {
      const out: Candidate[][] = [];
      for (let probe = 0; probe < rows.length / width; probe++) {
        signal?.throwIfAborted();
        const unit = rows.subarray(probe * width, (probe + 1) * width);
        const weight = 1 - Math.min(1, Math.max(0, itemAt(alpha, probe)));
        const own = without?.[probe] ?? -1;
        const nearest = async (what: "faces" | "copies"): Promise<number[]> =>
          (await store.nearest(unit, what, asked)).filter((person) => person !== own).slice(0, Math.max(compared, top));
        const found = new Set([...(await nearest("faces")), ...(weight > 0 ? await nearest("copies") : [])]);
        out.push(await candidateCosines(store, [...found], rule, unit, weight, top));
      }
      return out;
    },
    [Symbol.asyncDispose]: async () => {},
  };
}
