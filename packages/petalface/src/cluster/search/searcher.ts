import { setTimeout as sleep } from "node:timers/promises";
import { PetalfaceError } from "../../errors.ts";
import {
  type Candidate,
  type GallerySearcher,
  type GalleryStore,
  openGallerySearcher,
  openIndexedSearcher,
  type TemplateRule,
} from "../../gallery/index.ts";
import type { SessionOptions } from "../../runtime/index.ts";
import { joinVectors, partIds } from "./joined.ts";
import {
  type GalleryPart,
  isDown,
  type MissingPart,
  type NamedCandidate,
  searchParts,
  type WhenDown,
} from "./merge.ts";
import type { GalleryParts, OpenPart } from "./parts.ts";

/**
 * Searches a gallery on several servers; close it after use. Ids are those of {@link GalleryParts}.
 */
export interface PartsSearcher extends GallerySearcher {
  /** Parts that have not answered so far. */
  missing(): readonly MissingPart[];
  /** Names of people that a search found. */
  names(people: ArrayLike<number>): Map<number, string>;
}

/** How {@link openPartsSearcher} searches. */
export interface PartsSearchOptions {
  /** How a person's faces answer. */
  readonly rule: TemplateRule;
  readonly session: SessionOptions & { readonly threads: number };
  /** Ask the servers' indexes: nothing is loaded, and who they miss is not found. */
  readonly indexed: boolean;
  readonly whenDown: WhenDown;
  /** Seconds that a server may take for one question. */
  readonly seconds: number;
}

/** Exact search where every part must answer. */
export const wholeAnswers = { indexed: false, whenDown: "error", seconds: 30 } as const;

interface Found extends NamedCandidate, Candidate {}

interface SearchedPart extends GalleryPart<Found>, AsyncDisposable {
  readonly part: OpenPart;
  readonly searcher: GallerySearcher;
}

/**
 * Opens search in all parts at once. Without indexes the answer is that of one gallery with
 * everybody, and this process holds the embeddings of all parts.
 *
 * @throws PetalfaceError where a part does not answer and `whenDown` is `error`, or where none does
 */
export async function openPartsSearcher(gallery: GalleryParts, options: PartsSearchOptions): Promise<PartsSearcher> {
  const { whenDown } = options;
  const { of } = gallery;
  const missing: MissingPart[] = [...gallery.missing];
  const names = new Map<number, string>();
  let searched: readonly SearchedPart[] = [];
  /** Asks parts; those that are down are left out from then on, where that is allowed. */
  async function ask<P extends { readonly shown: string }, T>(
    parts: readonly P[],
    work: (part: P) => Promise<T>,
  ): Promise<T[]> {
    const answers = await Promise.allSettled(parts.map(work));
    return answers.flatMap((answer, at) => {
      if (answer.status === "fulfilled") return [answer.value];
      if (whenDown === "error" || !isDown(answer.reason)) throw answer.reason;
      leaveOut({ part: parts[at]?.shown ?? "", reason: answer.reason.message });
      return [];
    });
  }
  const leaveOut = (part: MissingPart): void => {
    missing.push(part);
    searched = searched.filter(({ shown }) => shown !== part.part);
  };
  const counted = await ask(gallery.parts, async (part) => ({ ...part, faces: await part.store.count() }));
  const faces = counted.reduce((sum, part) => sum + part.faces, 0);
  const threads = Math.max(1, Math.floor(options.session.threads / Math.max(1, counted.length)));
  const opened = await ask(counted, (part) =>
    openPart(part, { ...options, session: { ...options.session, threads } }, { of, faces, names }),
  );
  searched = opened;
  if (searched.length === 0) throw noneLeft(missing);
  return {
    kind: `${searched[0]?.searcher.kind}, over ${searched.length} of ${of} servers`,
    faces: searched.reduce((sum, { searcher }) => sum + searcher.faces, 0),
    people: searched.reduce((sum, { searcher }) => sum + searcher.people, 0),
    missing: () => missing,
    names: (people) =>
      new Map(
        Array.from(people).flatMap((id) => {
          const name = names.get(id);
          return name === undefined ? [] : [[id, name] as const];
        }),
      ),
    async sample(most) {
      const share = Math.ceil(most / searched.length);
      const samples = await ask(searched, async ({ part, searcher }) =>
        partIds(of).ofVectors(part.at, await searcher.sample(share)),
      );
      return joinVectors(samples);
    },
    async search(probes, top, signal) {
      if (searched.length === 0) throw noneLeft(missing);
      const { candidates, missing: silent } = await searchParts(searched, probes, top, { whenDown, signal });
      for (const part of silent) leaveOut(part);
      return candidates.map((each) => each.map(({ person, cosine }) => ({ person, cosine })));
    },
    async [Symbol.asyncDispose]() {
      for (const part of opened) await part[Symbol.asyncDispose]();
    },
  };
}

const noneLeft = (missing: readonly MissingPart[]): PetalfaceError =>
  new PetalfaceError(
    "PETAL_DATABASE_FAILED",
    `no server of this gallery answers, the first is ${missing[0]?.part}: ${missing[0]?.reason}`,
  );

/**
 * Opens search in one part. Names of those it finds are kept: its server may be down when they are
 * needed.
 */
async function openPart(
  part: OpenPart,
  { rule, session, indexed, seconds }: PartsSearchOptions,
  whole: { readonly of: number; readonly faces: number; readonly names: Map<number, string> },
): Promise<SearchedPart> {
  const { at, shown } = part;
  const store = withPatience(part, seconds);
  const ids = partIds(whole.of);
  const searcher = indexed
    ? await openIndexedSearcher(store, rule)
    : await openGallerySearcher(store, rule, session, whole.faces);
  return {
    part,
    searcher,
    shown,
    async search({ rows, alpha, without }, top, signal) {
      const own = without?.map((id) => ids.inPart(at, [id])[0] ?? -1);
      const found = await searcher.search({ rows, alpha, without: own }, top, signal);
      const names = await store.names([...new Set(found.flat().map(({ person }) => person))]);
      return found.map((each) =>
        each.map(({ person, cosine }) => {
          const [id, name] = [ids.outside(at, person), names.get(person) ?? ""];
          whole.names.set(id, name);
          return { person: id, cosine, name };
        }),
      );
    },
    [Symbol.asyncDispose]: () => searcher[Symbol.asyncDispose](),
  };
}

/** A store whose answers to a search come within some seconds, or not at all. */
function withPatience({ store, shown }: OpenPart, seconds: number): GalleryStore {
  const within = async <T>(work: Promise<T>): Promise<T> => {
    const controller = new AbortController();
    const late = sleep(1000 * seconds, undefined, { signal: controller.signal }).then(() => {
      throw new PetalfaceError(
        "PETAL_DATABASE_FAILED",
        `${shown}: the server has not answered within ${seconds} s; look at its load, or wait longer`,
      );
    });
    // Whoever is slower is not listened to any more.
    late.catch(() => undefined);
    work.catch(() => undefined);
    try {
      return await Promise.race([work, late]);
    } finally {
      controller.abort();
    }
  };
  return {
    ...store,
    names: (people) => within(store.names(people)),
    read: (chosen) => within(store.read(chosen)),
    nearest: (unit, what, most) => within(store.nearest(unit, what, most)),
  };
}
