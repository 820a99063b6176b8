import { itemAt } from "onnx-grad";
import type { SessionOptions } from "../runtime/index.ts";
import { byCosine, type Candidate } from "./candidate.ts";
import { evenly } from "./evenly.ts";
import { type GallerySearcher, openSearcher, type Probes } from "./search.ts";
import type { SearchedStore } from "./store.ts";
import { buildTemplates, type TemplateRule } from "./templates.ts";

/**
 * A searcher with the faces that were added since it was opened: the people who have any are read
 * again and compared in addition. It does not close the one below it.
 *
 * @param changed ids of these people
 * @param people how many are enrolled now
 */
export async function withChanges(
  base: GallerySearcher,
  store: Pick<SearchedStore, "read" | "count">,
  changed: ReadonlySet<number>,
  options: {
    readonly people: number;
    readonly templates: TemplateRule;
    readonly session: SessionOptions;
  },
): Promise<GallerySearcher> {
  const vectors = await store.read({ people: [...changed] });
  const recent = openSearcher(buildTemplates(vectors, options.templates), options.session);
  return {
    kind: base.kind,
    faces: await store.count(),
    people: options.people,
    async sample(most) {
      if (changed.size === 0) return base.sample(most);
      const own = await base.sample(most);
      const before = own.faces.filter((_, at) => !changed.has(itemAt(own.people, at)));
      const { faces: recent } = vectors;
      // All of them, or as many of each as their share of the gallery.
      const share = Math.ceil((most * recent.length) / (before.length + recent.length));
      const added = Math.min(recent.length, Math.max(share, most - before.length));
      return store.read({ faces: [...evenly(before, most - added), ...evenly(recent, added)].sort((a, b) => a - b) });
    },
    async search(probes, top, signal) {
      if (changed.size === 0) return base.search(probes, top, signal);
      const [before, now] = [
        await searchWithout(base, changed, probes, top, signal),
        await recent.search(probes, top, signal),
      ];
      return before.map((candidates, probe) => [...candidates, ...(now[probe] ?? [])].sort(byCosine).slice(0, top));
    },
    [Symbol.asyncDispose]: () => recent[Symbol.asyncDispose](),
  };
}

/** The nearest people but for some, which may be many. */
async function searchWithout(
  searcher: GallerySearcher,
  without: ReadonlySet<number>,
  probes: Probes,
  top: number,
  signal: AbortSignal | undefined,
): Promise<Candidate[][]> {
  for (let asked = top + 4; ; asked *= 4) {
    const found = await searcher.search(probes, asked, signal);
    const left = found.map((candidates) => candidates.filter(({ person }) => !without.has(person)));
    if (asked >= searcher.people || left.every(({ length }) => length >= top)) return left;
  }
}
