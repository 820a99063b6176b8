import { itemAt } from "onnx-grad";
import { byCosine, type Candidate } from "./candidate.ts";
import { candidateCosines } from "./score.ts";
import type { GallerySearcher } from "./search.ts";
import type { GalleryStore } from "./store.ts";
import type { TemplateRule } from "./templates.ts";

/** Entries that the index is asked for. */
const asked = 256;
/**
 * People of these who are then compared exactly, so many at a time, since each costs reads of the
 * disk: while the next one seems to have a `share` of the highest cosine so far. `sure` covers by
 * how much sketches are wrong, where the index has what is compared. `share` also covers what faces
 * of a person differ, and their copies.
 */
const compared = { most: 64, atOnce: 8, sure: 0.75, share: 2 / 3 };
/** Faces that stand in for strangers when thresholds are estimated. */
const sampled = 512;

/**
 * Opens search by the index of a gallery: its nearest 256 people (sketches) or faces (pgvector),
 * and of a poor probe the nearest 256 by low-resolution copies, say which 8 to 64 people
 * are compared in float32. Nothing is loaded, but who the index misses is not found.
 *
 * @throws PetalfaceError at the first search, where the gallery has no index
 */
export async function openIndexedSearcher(store: GalleryStore, rule: TemplateRule): Promise<GallerySearcher> {
  const { width } = (await store.record()).space;
  const faces = await store.count();
  return {
    kind: `index of ${store.indexedBy}, then float32`,
    faces,
    people: await store.countPeople(),
    async sample(most) {
      const last = await store.lastFace();
      // Ids of deleted faces are passed over, so more are asked for.
      const ids = Math.min(last, Math.ceil((Math.min(most, sampled) * last) / Math.max(1, faces)));
      return await store.read({ faces: Array.from({ length: ids }, (_, at) => 1 + Math.floor((at * last) / ids)) });
    },
    async search({ rows, alpha, without }, top, signal) {
      const out: Candidate[][] = [];
      for (let probe = 0; probe < rows.length / width; probe++) {
        signal?.throwIfAborted();
        const unit = rows.subarray(probe * width, (probe + 1) * width);
        const weight = 1 - Math.min(1, Math.max(0, itemAt(alpha, probe)));
        const isSure = store.indexedBy === "sketches" && rule === "mean" && weight === 0;
        const share = isSure ? compared.sure : compared.share;
        const known = new Set([without?.[probe] ?? -1]);
        let best: Candidate[] = [];
        for (const what of weight > 0 ? (["faces", "copies"] as const) : (["faces"] as const)) {
          const near = (await store.nearest(unit, what, asked)).filter(({ person }) => !known.has(person));
          const most = Math.max(compared.most, top);
          for (let start = 0; start < Math.min(most, near.length); start += compared.atOnce) {
            const some = near.slice(start, Math.min(most, start + compared.atOnce));
            const likely = itemAt(some, 0).cosine >= share * (best[0]?.cosine ?? -1);
            if (!likely && best.length >= top) break;
            const people = some.map(({ person }) => person);
            for (const person of people) known.add(person);
            const found = await candidateCosines(store, people, rule, unit, weight, top);
            best = [...best, ...found].sort(byCosine).slice(0, top);
          }
        }
        out.push(best);
      }
      return out;
    },
    [Symbol.asyncDispose]: async () => {},
  };
}
