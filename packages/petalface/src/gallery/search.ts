import {
  copyWeights,
  createTopK,
  type Matcher,
  openMatcher,
  rowsOf,
  type ScoreBlock,
  scanBlocks,
} from "../matching/index.ts";
import type { SessionOptions } from "../runtime/index.ts";
import type { Candidate } from "./candidate.ts";
import { type Templates, templateLength } from "./templates.ts";
import type { EnrolledVectors } from "./types.ts";

/** Faces to look for. */
export interface Probes {
  /** Unit rows. */
  readonly rows: Float32Array;
  /** Quality of each, which says how much the enrolled copies count. */
  readonly alpha: ArrayLike<number>;
  /** Id of the person that each is not compared with, or -1. */
  readonly without?: Int32Array | undefined;
}

/** Compares probes with a whole gallery; close it after use. */
export interface PersonSearcher extends AsyncDisposable {
  /** How it searches, for people to read. */
  readonly kind: string;
  /** How many are searched. */
  readonly faces: number;
  readonly people: number;
  /**
   * The `top` nearest people of each probe, nearest first; fewer where there are no more. Of equal
   * ones the lower id.
   */
  search(probes: Probes, top: number, signal?: AbortSignal): Promise<Candidate[][]>;
}

/** A {@link PersonSearcher} of a store. */
export interface GallerySearcher extends PersonSearcher {
  /** Evenly chosen faces, at most so many, for {@link estimateThresholds}. */
  sample(most: number): Promise<EnrolledVectors>;
}

/** A {@link PersonSearcher} with all templates in memory. */
export interface Searcher extends PersonSearcher {
  readonly templates: Templates;
}

/**
 * Probes that are compared at once in a gallery of many people, so that their best cosines fit in
 * memory.
 */
const mostCosines = 2 ** 24;
/** Rows of a block of the engine where few probes come at a time. */
const fewProbes = 8;
const manyProbes = 512;

/**
 * Opens a {@link Searcher}: exact search, every probe with every row, in blocks that the engine
 * multiplies.
 */
export function openSearcher(templates: Templates, session: SessionOptions): Searcher {
  const { width, count, people } = templates;
  const names = Int32Array.from(new Set(people.toSorted()));
  const placeOf = new Map([...names].map((person, place) => [person, place]));
  const places = Int32Array.from(people, (person) => placeOf.get(person) ?? 0);
  const matchers = new Map<number, Promise<Matcher>>();
  const matcherFor = (probes: number): Promise<Matcher> => {
    const rows = probes <= 4 * fewProbes ? fewProbes : manyProbes;
    const found = matchers.get(rows) ?? openMatcher(width, session, rows);
    matchers.set(rows, found);
    return found;
  };

  async function searchSome({ rows, alpha, without }: Probes, top: number, signal?: AbortSignal) {
    const probes = rows.length / width;
    const best = new Float32Array(probes * names.length).fill(Number.NEGATIVE_INFINITY);
    // None for a sharp probe, as much as the face itself for a poor one (docs/copies.md).
    const weights = copyWeights("alpha", probes, Float32Array.from(alpha));
    const visit = ({ firstProbe, probes: some, firstFace, faces, scores, stride }: ScoreBlock): void => {
      for (let row = 0; row < some; row++) {
        const probe = firstProbe + row;
        const weight = weights[probe];
        // Rows of the gallery come in pairs, and blocks have an even number of them.
        for (let at = 0; at < faces; at += 2) {
          const template = (firstFace + at) / 2;
          const product = scores[row * stride + at] + weight * scores[row * stride + at + 1];
          const place = probe * names.length + places[template];
          const cosine = product / templateLength(templates, template, weight);
          if (cosine > best[place]) best[place] = cosine;
        }
      }
    };
    await scanBlocks(await matcherFor(probes), rows, rowsOf(templates.rows, width), visit, { signal });
    const collector = createTopK(probes, Math.min(top, names.length));
    for (let probe = 0; probe < probes; probe++) {
      const own = placeOf.get(without?.[probe] ?? -1) ?? -1;
      collector.offer(probe, best, probe * names.length, names.length, 0, own);
    }
    const found = collector.finish();
    return Array.from({ length: probes }, (_, probe) =>
      [...found.rows.subarray(probe * found.k, (probe + 1) * found.k)].flatMap((place, rank): Candidate[] =>
        place === -1 ? [] : [{ person: names[place], cosine: found.scores[probe * found.k + rank] }],
      ),
    );
  }

  return {
    kind: "exact, float32",
    faces: templates.faces,
    people: names.length,
    templates,
    async search(probes, top, signal) {
      const total = probes.rows.length / width;
      if (count === 0 || top < 1) return Array.from({ length: total }, () => []);
      const step = Math.max(1, Math.floor(mostCosines / names.length));
      const out: Candidate[][] = [];
      for (let start = 0; start < total; start += step) {
        const end = Math.min(total, start + step);
        const part = {
          rows: probes.rows.subarray(start * width, end * width),
          alpha: Array.from({ length: end - start }, (_, at) => probes.alpha[start + at]),
          without: probes.without?.subarray(start, end),
        };
        out.push(...(await searchSome(part, top, signal)));
      }
      return out;
    },
    async [Symbol.asyncDispose]() {
      for (const matcher of matchers.values()) await (await matcher).close();
    },
  };
}
