import {
  type ChosenThresholds,
  estimateThresholds,
  type GallerySearcher,
  openGallerySearcher,
  type Person,
  type ServedStore,
  type TemplateRule,
  withChanges,
} from "../../gallery/index.ts";
import type { SessionOptions } from "../../runtime/index.ts";
import { openOneAtATime } from "../one-at-a-time.ts";

/** A gallery as it was at one version. */
export interface GalleryState {
  readonly version: number;
  /** In the order of their names. */
  readonly people: readonly Person[];
  readonly byId: ReadonlyMap<number, Person>;
  /** Numbers of an embedding. */
  readonly width: number;
  readonly searcher: GallerySearcher;
  /**
   * Thresholds that were given or stored, or an estimate; undefined where fewer than two people are
   * enrolled.
   */
  readonly thresholds: ChosenThresholds | undefined;
}

/** Keeps a gallery in memory, and reads it again when it has changed. */
export interface KeptGallery extends AsyncDisposable {
  /** Works on the gallery as it is now. The state stays open until the work is done. */
  use<T>(work: (state: GalleryState) => Promise<T>): Promise<T>;
  /**
   * Says that this process alone added faces of one person, which brought the store from one
   * version to the next.
   */
  added(from: number, to: number, person: number): void;
}

/** How a gallery is searched. */
export interface KeepOptions {
  readonly templates: TemplateRule;
  readonly session: SessionOptions;
  /** False-positive identification rate of estimated thresholds. */
  readonly rate: number;
  /** Throws where the gallery was changed to another model than that which is served. */
  readonly check: () => Promise<void>;
  /** Thresholds that were given; those of the store or an estimate otherwise. */
  readonly given: ChosenThresholds | undefined;
}

/** An estimate holds until the number of faces has changed by more than this share. */
const mostChange = 0.1;

/** People with new faces who are compared in addition; beyond, everybody is read again. */
const mostChanged = 512;
/** Faces that thresholds are estimated on, at most. */
const sampled = 2048;

/** Faces that several states compare with, and how many of those states are open. */
interface Base {
  readonly searcher: GallerySearcher;
  users: number;
}

interface Current extends GalleryState {
  readonly base: Base;
  /** People with faces that the base does not know. */
  readonly changed: ReadonlySet<number>;
  users: number;
  isOld: boolean;
}

/** Opens a {@link KeptGallery}. */
export function keepGallery(store: ServedStore, options: KeepOptions): KeptGallery {
  const { templates, session, rate, given, check } = options;
  const refreshing = openOneAtATime();
  let current: Current | undefined;
  /** Versions between which only faces of a person were added, by this process. */
  const additions = new Map<number, { readonly to: number; readonly person: number }>();

  /**
   * People with new faces since the base was read; undefined where another process may have changed
   * anything.
   */
  function changesUntil(version: number): Set<number> | undefined {
    if (current === undefined) return undefined;
    const changed = new Set(current.changed);
    let at = current.version;
    for (let next = additions.get(at); next !== undefined && at !== version; next = additions.get(at)) {
      changed.add(next.person);
      at = next.to;
    }
    additions.clear();
    return at === version && changed.size <= mostChanged ? changed : undefined;
  }

  async function refresh(): Promise<Current> {
    const version = await store.version();
    if (current?.version === version) return current;
    await check();
    const since = changesUntil(version);
    // What was added while all this is read is read again with the next request.
    const base =
      since !== undefined && current !== undefined
        ? current.base
        : { searcher: await openGallerySearcher(store, templates, session), users: 0 };
    const changed = since ?? new Set<number>();
    const people = (await store.people()).toSorted(byName);
    const searcher = await withChanges(base.searcher, store, changed, { people: people.length, templates, session });
    base.users++;
    const thresholds = await choose(searcher);
    const old = current;
    const byId = new Map(people.map((person) => [person.id, person]));
    const { width } = (await store.record()).space;
    current = { version, people, byId, width, searcher, thresholds, base, changed, users: 0, isOld: false };
    if (old !== undefined) await retire(old);
    return current;
  }

  async function choose(searcher: GallerySearcher): Promise<ChosenThresholds | undefined> {
    if (given !== undefined) return given;
    const stored = store.settings.thresholds;
    if (stored !== null) return { kind: "stored", table: stored };
    const before = current?.thresholds;
    const known = current?.searcher.faces ?? 0;
    const isClose = Math.abs(searcher.faces - known) <= mostChange * known;
    if (before !== undefined && isClose && searcher.people > 1) return before;
    return estimateThresholds(await searcher.sample(sampled), searcher, rate);
  }

  async function retire(state: Current): Promise<void> {
    state.isOld = true;
    if (state.users === 0) await close(state);
  }

  async function close({ searcher, base }: Current): Promise<void> {
    await searcher[Symbol.asyncDispose]();
    base.users--;
    if (base.users === 0) await base.searcher[Symbol.asyncDispose]();
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
        if (state.isOld && state.users === 0) await close(state);
      }
    },
    added: (from, to, person) => void additions.set(from, { to, person }),
    async [Symbol.asyncDispose]() {
      if (current !== undefined) await retire(current);
      current = undefined;
    },
  };
}

/** By code units, which is an order that a cursor can go on from. */
const byName = (one: Person, other: Person): number => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0);
