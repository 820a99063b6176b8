import type { SessionOptions } from "../runtime/index.ts";
import { byCosine, type Candidate, type GallerySearcher, openSearcher, type Probes } from "./search.ts";
import { buildTemplates, type TemplateRule } from "./templates.ts";
import type { GalleryStore } from "./types.ts";

/**
 * A searcher with the faces that were added since it was opened: the people who have any are read
 * again and compared in addition. It does not close the one below it.
 *
 * @param changed ids of these people
 * @param people how many are enrolled now
 */
export async function withChanges(
  base: GallerySearcher,
  store: GalleryStore,
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
    // Of a gallery that was nearly empty, what was added says more.
    sample: async (most) => (base.faces < vectors.faces.length ? vectors : await base.sample(most)),
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
