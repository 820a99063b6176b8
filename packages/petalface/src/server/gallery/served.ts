import { basename, extname } from "node:path";
import { type FaceData, joinInMemory } from "../../data/index.ts";
import { faceKey } from "../../embeddings/index.ts";
import { PetalfaceError } from "../../errors.ts";
import {
  type Candidate,
  type ChosenThresholds,
  type Enrolled,
  type Enrolment,
  enrolPeople,
  type GateRules,
  openEnrolled,
  openServedStore,
  type Removal,
  refuseOtherThresholds,
  type ServedStore,
  shownGallery,
  type TemplateRule,
} from "../../gallery/index.ts";
import { printPath } from "../../images/index.ts";
import { openBatcher } from "../batcher.ts";
import { openStock } from "../limits.ts";
import { openOneAtATime } from "../one-at-a-time.ts";
import type { PhotoFace } from "../photos/read.ts";
import { Problem } from "../problem.ts";
import { cropLoader, openRecogniser, type Recogniser, type RecogniserOptions } from "./recogniser.ts";
import { type GalleryState, type KeptGallery, keepGallery } from "./state.ts";

/** A face to look for. */
export interface ProbeFace {
  /** Unit embedding. */
  readonly unit: Float32Array;
  readonly alpha: number;
}

/**
 * A gallery that requests search and change. Changes are made one after the other. One whose signal
 * aborts before its turn is not made; too many that wait are refused with a {@link Problem}.
 */
export interface ServedGallery extends AsyncDisposable {
  /** As routes call it. */
  readonly name: string;
  readonly store: ServedStore;
  readonly recogniser: Recogniser;
  /** The gallery as it is now. */
  use: KeptGallery["use"];
  /** The nearest people of a face, nearest first. Searches that come together are made together. */
  search(probe: ProbeFace, top: number, signal?: AbortSignal): Promise<SearchResult>;
  /** Enrols faces of one person, through the gate. What is acknowledged is on the disk. */
  enrol(person: string, faces: readonly NamedFace[], force: boolean, signal: AbortSignal): Promise<Enrolment>;
  /** Ids of those of the faces that a person has. */
  idsOf(person: string, faces: readonly NamedFace[]): Promise<readonly number[]>;
  removePerson(person: string, signal: AbortSignal): Promise<Removal>;
  removeFaces(person: string, faces: readonly number[], signal: AbortSignal): Promise<Removal>;
  rename(person: string, name: string, signal: AbortSignal): Promise<boolean>;
}

/** A face to enrol, and what the answer calls it. */
export interface NamedFace {
  readonly id: string;
  readonly face: PhotoFace;
}

/** What a search found, and in which state of the gallery. */
export interface SearchResult {
  readonly candidates: readonly Candidate[];
  readonly state: Pick<GalleryState, "byId" | "people" | "thresholds">;
}

/** How galleries are served. */
export interface ServeGalleryOptions extends RecogniserOptions {
  readonly templates: TemplateRule;
  readonly rate: number;
  readonly thresholds: ChosenThresholds | undefined;
  readonly gate: GateRules;
  /** Milliseconds that a change waits for another process that writes the gallery. */
  readonly patience: number;
  /** Changes of a gallery that may wait; more are refused. */
  readonly waiting: number;
  /** Says what went wrong inside. */
  readonly note: (line: string) => void;
}

/** What routes call a gallery: its file's name without the ending, or its name in the database. */
function galleryName(path: string): string {
  const shown = shownGallery(path);
  if (!/^postgres(ql)?:/.test(shown)) return basename(shown, extname(shown));
  return new URL(shown).searchParams.get("gallery") ?? "gallery";
}

/** Opens a gallery and its model. Throws PetalfaceError. */
export async function serveGallery(path: string, options: ServeGalleryOptions): Promise<ServedGallery> {
  const { patience, note } = options;
  const shown = printPath(shownGallery(path));
  const onLost = (reason: string): void => note(`${reason}: ${shown}; the next request starts it again`);
  const store = await openServedStore(path, { patience, onLost });
  let recogniser: Recogniser | undefined;
  try {
    recogniser = await openRecogniser(store, options);
    if (recogniser.model.otherAdapter)
      throw new PetalfaceError(
        "PETAL_GALLERY_MISMATCH",
        `${shown} was made with another adapter; serve it with that one, or change it with petalface gallery migrate`,
      );
    return galleryOn(path, store, recogniser, options);
  } catch (error) {
    await recogniser?.[Symbol.asyncDispose]();
    await store.close();
    throw error;
  }
}

function galleryOn(
  path: string,
  store: ServedStore,
  recogniser: Recogniser,
  { templates, rate, thresholds, gate, waiting: most }: ServeGalleryOptions,
): ServedGallery {
  const session = recogniser.model.engine;
  const { record } = recogniser.model;
  const fixed = thresholds?.table ?? store.settings.thresholds;
  if (fixed !== null) refuseOtherThresholds(fixed, record, `thresholds for ${printPath(shownGallery(path))}`);
  const check = async (): Promise<void> => {
    const now = await store.record();
    const isSame =
      now.space.id === record.space.id &&
      now.adapter === record.adapter &&
      JSON.stringify(now.calibration) === JSON.stringify(record.calibration);
    if (!isSame) throw new Problem(503, "busy", "the gallery was changed to another model; restart the server");
  };
  const kept = keepGallery(store, { templates, rate, session, given: thresholds, check });
  const turns = openOneAtATime();
  const waiting = openStock(most);
  let enrolled: { readonly version: number; readonly state: Enrolled } | undefined;

  const searches = openBatcher<{ readonly probe: ProbeFace; readonly top: number }, SearchResult>({
    most: 32,
    // Those that waited for the same batch of embeddings come at the same moment.
    wait: 0,
    run: (items) =>
      kept.use(async (state) => {
        const rows = new Float32Array(items.length * state.width);
        items.forEach(({ probe }, at) => {
          rows.set(probe.unit, at * state.width);
        });
        const top = Math.max(...items.map((item) => item.top));
        const found = await state.searcher.search({ rows, alpha: items.map(({ probe }) => probe.alpha) }, top);
        return items.map((item, at) => ({ candidates: (found[at] ?? []).slice(0, item.top), state }));
      }),
  });

  async function enrol(
    person: string,
    faces: readonly NamedFace[],
    force: boolean,
    signal: AbortSignal,
  ): Promise<Enrolment> {
    signal.throwIfAborted();
    return await kept.use(async (state) => {
      const before = state.version;
      const known = await enrolledAt(state);
      // No version is -1: after a failure it is read again.
      enrolled = { version: -1, state: known };
      const data = await dataOf(faces);
      const enrolment = await enrolPeople(data, {
        store,
        describer: recogniser.describer,
        person,
        force,
        enrolled: known,
        rules: gate,
        signal,
        loader: cropLoader(faces.map(({ face }) => face.crop)),
        onLeft: (_, reason) => {
          throw new Error(reason);
        },
      });
      const after = await store.version();
      // The faces of one request are written as one change.
      const changes = enrolment.added > 0 ? 1 : 0;
      if (after === before + changes) {
        enrolled = { version: after, state: known };
        const id = (await store.ids([person])).get(person);
        if (changes > 0 && id !== undefined) kept.added(before, after, id);
      }
      return enrolment;
    });
  }

  async function forgetEnrolled(): Promise<void> {
    await enrolled?.state[Symbol.asyncDispose]();
    enrolled = undefined;
  }

  /** What is known of the enrolled people: what the last request left, or read again. */
  async function enrolledAt(state: GalleryState): Promise<Enrolled> {
    // Only means are compared where faces are enrolled.
    const searcher = templates === "mean" ? state.searcher : undefined;
    if (enrolled?.version !== state.version) {
      await forgetEnrolled();
      return await openEnrolled(store, { threads: session.threads, searcher });
    }
    if (searcher !== undefined) {
      enrolled.state.searcher = searcher;
      enrolled.state.changed.clear();
    }
    return enrolled.state;
  }

  async function idsOf(person: string, given: readonly NamedFace[]): Promise<readonly number[]> {
    const data = await dataOf(given);
    const own = (await store.ids([person])).get(person);
    if (own === undefined) return [];
    const wanted = new Set<string>();
    for (let at = 0; at < data.length; at++) {
      const { source } = data.at(at);
      const key = await faceKey({ source, flip: false }, { read: () => new Uint8Array() });
      wanted.add(Buffer.from(key.buffer).toString("hex"));
    }
    const faces = await store.faces([own]);
    return faces.filter((face) => wanted.has(Buffer.from(face.source).toString("hex"))).map(({ id }) => id);
  }

  async function changing<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (!waiting.take(1))
      throw new Problem(503, "busy", "more changes of this gallery wait than this server takes", { retryAfter: 5 });
    try {
      return await turns(work, signal);
    } finally {
      waiting.give(1);
    }
  }

  const change = async <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> =>
    changing(async () => {
      await forgetEnrolled();
      return await work();
    }, signal);
  return {
    name: galleryName(path),
    store,
    recogniser,
    use: kept.use,
    search: (probe, top, signal) => searches.submit({ probe, top }, signal),
    enrol: (person, faces, force, signal) => changing(() => enrol(person, faces, force, signal), signal),
    idsOf,
    removePerson: (person, signal) => change(signal, () => store.remove(person)),
    removeFaces: (person, faces, signal) => change(signal, () => store.removeFaces(person, faces)),
    rename: (person, name, signal) => change(signal, () => store.rename(person, name)),
    async [Symbol.asyncDispose]() {
      // Waits for the change that is under way.
      await turns(forgetEnrolled);
      await kept[Symbol.asyncDispose]();
      await recogniser[Symbol.asyncDispose]();
      await store.close();
    },
  };
}

const dataOf = (faces: readonly NamedFace[]): Promise<FaceData> =>
  joinInMemory(faces.map(({ id, face }) => ({ id, image: face.file ?? face.crop })));
