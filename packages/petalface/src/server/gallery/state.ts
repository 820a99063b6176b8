import {
  buildTemplates,
  type ChosenThresholds,
  type EnrolledVectors,
  estimateThresholds,
  type GalleryStore,
  openSearcher,
  type Person,
  type Searcher,
  type TemplateRule,
} from "../../gallery/index.ts";
import type { SessionOptions } from "../../runtime/index.ts";
import { openOneAtATime } from "../one-at-a-time.ts";

/** A gallery in memory, as it was at one version. */
export interface GalleryState {
  readonly version: number;
  /** In the order of their names. */
  readonly people: readonly Person[];
  readonly byId: ReadonlyMap<number, Person>;
  readonly vectors: EnrolledVectors;
  readonly searcher: Searcher;
  /** Thresholds that were given or stored, or an estimate; undefined where fewer than two people are enrolled. */
  readonly thresholds: ChosenThresholds | undefined;
}

/** Keeps a gallery in memory, and reads it again when it has changed. */
export interface KeptGallery extends AsyncDisposable {
  /** Works on the gallery as it is now. The state stays open until the work is done. */
  use<T>(work: (state: GalleryState) => Promise<T>): Promise<T>;
  /** Says that this process alone added faces, which brought the store from one version to the next. */
  added(from: number, to: number): void;
}

/** How a gallery is searched. */
export interface KeepOptions {
  readonly templates: TemplateRule;
  readonly session: SessionOptions;
  /** False-positive identification rate of estimated thresholds. */
  readonly rate: number;
  /** Thresholds that were given; those of the store or an estimate otherwise. */
  readonly given: ChosenThresholds | undefined;
}

/** An estimate holds until the number of faces has changed by more than this share. */
const mostChange = 0.1;

/** Opens a {@link KeptGallery}. */
export function keepGallery(store: GalleryStore, options: KeepOptions): KeptGallery {
  const { templates, session, rate, given } = options;
  const refreshing = openOneAtATime();
  let current: (GalleryState & { users: number; isOld: boolean }) | undefined;
  /** Versions between which only faces were added, by this process. */
  const additions = new Map<number, number>();

  async function read(version: number): Promise<EnrolledVectors> {
    if (current === undefined) return store.vectors();
    const before = current.vectors;
    let at = current.version;
    for (let next = additions.get(at); next !== undefined && at !== version; next = additions.get(at)) at = next;
    additions.clear();
    // Another process may have changed anything.
    if (at !== version) return store.vectors();
    return joined(before, await store.vectors(before.faces.at(-1)));
  }

  async function refresh(): Promise<NonNullable<typeof current>> {
    const version = await store.version();
    if (current?.version === version) return current;
    const vectors = await read(version);
    const people = (await store.people()).toSorted(byName);
    // What was added while all this was read is read again with the next request.
    const searcher = openSearcher(buildTemplates(vectors, templates), session);
    const thresholds = await choose(vectors, searcher);
    const old = current;
    const byId = new Map(people.map((person) => [person.id, person]));
    current = { version, people, byId, vectors, searcher, thresholds, users: 0, isOld: false };
    if (old !== undefined) await retire(old);
    return current;
  }

  async function choose(vectors: EnrolledVectors, searcher: Searcher): Promise<ChosenThresholds | undefined> {
    if (given !== undefined) return given;
    const stored = store.settings.thresholds;
    if (stored !== null) return { kind: "stored", table: stored };
    const before = current?.thresholds;
    const known = current?.vectors.faces.length ?? 0;
    const isClose = Math.abs(vectors.faces.length - known) <= mostChange * known;
    if (before !== undefined && isClose && new Set(vectors.people).size > 1) return before;
    return estimateThresholds(vectors, searcher, rate);
  }

  async function retire(state: NonNullable<typeof current>): Promise<void> {
    state.isOld = true;
    if (state.users === 0) await state.searcher[Symbol.asyncDispose]();
  }

  return {
    async use(work) {
      const state =
        current !== undefined && (await store.version()) === current.version ? current : await refreshing(refresh);
      state.users++;
      try {
        return await work(state);
      } finally {
        state.users--;
        if (state.isOld && state.users === 0) await state.searcher[Symbol.asyncDispose]();
      }
    },
    added: (from, to) => void additions.set(from, to),
    async [Symbol.asyncDispose]() {
      if (current !== undefined) await retire(current);
      current = undefined;
    },
  };
}

/** By code units, which is an order that a cursor can go on from. */
const byName = (one: Person, other: Person): number => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0);

function joined(one: EnrolledVectors, other: EnrolledVectors): EnrolledVectors {
  const floats = (a: Float32Array, b: Float32Array): Float32Array => {
    const out = new Float32Array(a.length + b.length);
    out.set(a);
    out.set(b, a.length);
    return out;
  };
  return {
    width: one.width,
    faces: Int32Array.from([...one.faces, ...other.faces]),
    people: Int32Array.from([...one.people, ...other.people]),
    vectors: floats(one.vectors, other.vectors),
    copies: floats(one.copies, other.copies),
    alpha: floats(one.alpha, other.alpha),
    score: Float64Array.from([...one.score, ...other.score]),
  };
}
