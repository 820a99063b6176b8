import { addScaled, normaliseRows } from "../matching/index.ts";
import type { Candidate } from "./candidate.ts";
import { evenly } from "./evenly.ts";
import { addEvidence, type GateEvidence, type PersonSum } from "./gate.ts";
import type { GallerySearcher, PersonSearcher } from "./search.ts";
import { openGallerySearcher } from "./searcher.ts";
import type { GalleryStore, SearchedStore } from "./store.ts";
import type { EnrolledVectors } from "./types.ts";

/** What enrolling needs of a gallery. */
export type EnrollingStore = Pick<
  GalleryStore,
  "path" | "settings" | "record" | "ids" | "names" | "faces" | "read" | "crop" | "addAll"
>;

/** Where a picture is: in the set that is enrolled, by its id there, or in the gallery. */
export type PicturePlace = { readonly picture: string } | { readonly face: number };

/** A person while faces are enrolled. */
export interface KnownPerson extends PersonSum {
  readonly name: string;
  /** In the gallery; undefined for somebody new. */
  readonly id: number | undefined;
  /** Hashes of the files of the enrolled pictures, hex. */
  readonly sources: ReadonlySet<string>;
  readonly pictures: { readonly hash: Uint8Array; readonly place: PicturePlace }[];
}

/**
 * What is known of a gallery's people while faces are enrolled. Who enrols often opens it once and
 * gives it to each call; after a call that failed it is to be opened again.
 */
export interface Enrolled extends AsyncDisposable {
  /** Opens search among the means of all people again. */
  readonly reopen: () => Promise<PersonSearcher>;
  /** Compares with the means of the people that were enrolled when it was opened. */
  searcher: PersonSearcher;
  readonly evidence: GateEvidence;
  /** People whose faces changed since the searcher was opened, by name. */
  readonly changed: Map<string, KnownPerson>;
  /** Some of all people, by name, as strangers for {@link GateEvidence}. */
  readonly drawn: Map<string, PersonSum>;
}

/**
 * Enrolled faces, evenly chosen, whose cosines say how near people are to themselves and to others.
 */
const mostEvidence = 1000;
/** People who stand in for all strangers. */
const mostDrawn = 512;
/** Changed people who are compared one by one; beyond, the searcher is opened again. */
const mostChanged = 4096;

/**
 * Opens a gallery's faces as `enrolPeople` needs them.
 *
 * @param options.searcher one that is open already and compares with the means of all people; it
 * stays open, and whoever gives it renews it when the gallery has changed
 */
export const openEnrolled = (
  store: EnrollingStore & SearchedStore,
  options: { readonly threads?: number | undefined; readonly searcher?: GallerySearcher | undefined } = {},
): Promise<Enrolled> =>
  openEnrolledBy(store, () => openGallerySearcher(store, "mean", { threads: options.threads ?? 1 }), options);

/**
 * The same for what is searched in another way.
 *
 * @param open search that compares with the means of all people
 */
export async function openEnrolledBy(
  store: EnrollingStore,
  open: () => Promise<GallerySearcher>,
  options: { readonly searcher?: GallerySearcher | undefined } = {},
): Promise<Enrolled> {
  const searcher = options.searcher ?? (await open());
  const state: Enrolled = {
    searcher,
    reopen: open,
    evidence: { own: [], strangers: [] },
    changed: new Map(),
    drawn: new Map(),
    async [Symbol.asyncDispose]() {
      if (options.searcher === undefined) await state.searcher[Symbol.asyncDispose]();
    },
  };
  try {
    await drawEvidence(state, store, await searcher.sample(mostEvidence));
  } catch (error) {
    await state[Symbol.asyncDispose]();
    throw error;
  }
  return state;
}

/** Compares some of the enrolled faces with their people, and with others. */
async function drawEvidence(state: Enrolled, store: EnrollingStore, sample: EnrolledVectors): Promise<void> {
  const ids = [...new Set(evenly(sample.people, mostEvidence))].slice(0, mostDrawn);
  if (ids.length === 0) return;
  const [faces, names] = [await store.read({ people: ids }), await store.names(ids)];
  const sums = sumsOf(faces);
  for (const [id, sum] of sums) state.drawn.set(names.get(id) ?? "", sum);
  const others = [...sums.values()];
  const units = normaliseRows(faces.vectors, faces.width);
  for (const at of evenly([...faces.faces.keys()], mostEvidence)) {
    const own = sums.get(faces.people[at] ?? -1);
    const unit = units.subarray(at * faces.width, (at + 1) * faces.width);
    if (own !== undefined) addEvidence(state.evidence, unit, own, others, at);
  }
}

/** Sums of the unit embeddings of each person, by their ids. */
function sumsOf({ width, people, vectors }: EnrolledVectors): Map<number, PersonSum> {
  const units = normaliseRows(vectors, width);
  const sums = new Map<number, PersonSum>();
  people.forEach((person, at) => {
    const own = sums.get(person) ?? { sum: new Float32Array(width), faces: 0 };
    sums.set(person, own);
    own.faces++;
    addScaled(own.sum, units.subarray(at * width, (at + 1) * width));
  });
  return sums;
}

/** Reads what is known of some people, who then count as changed. */
export async function readKnown(
  store: EnrollingStore,
  state: Enrolled,
  names: readonly string[],
): Promise<Map<string, KnownPerson>> {
  const out = new Map<string, KnownPerson>();
  const ids = await store.ids(names);
  const chosen = [...ids.values()];
  const faces = chosen.length === 0 ? [] : await store.faces(chosen);
  const { width } = (await store.record()).space;
  const sums = chosen.length === 0 ? new Map<number, PersonSum>() : sumsOf(await store.read({ people: chosen }));
  for (const name of names) {
    const id = ids.get(name);
    const own = faces.filter(({ person }) => person === id);
    const known: KnownPerson = {
      name,
      id,
      ...(sums.get(id ?? -1) ?? { sum: new Float32Array(width), faces: 0 }),
      sources: new Set(own.map(({ source }) => Buffer.from(source).toString("hex"))),
      pictures: own.map(({ picture, id: face }) => ({ hash: picture, place: { face } })),
    };
    out.set(name, known);
    state.changed.set(name, known);
    if (state.drawn.has(name) || state.drawn.size < mostDrawn) state.drawn.set(name, known);
  }
  return out;
}

/** Counts a face to its person, or takes it out again. */
export function addNew(person: KnownPerson, unit: Float32Array, sign: 1 | -1): void {
  person.faces += sign;
  addScaled(person.sum, unit, sign);
}

/** People who are asked for first; more where all of them have changed meanwhile. */
const firstAsked = 4;

/** Of each face the nearest people among those that have not changed, nearest first. */
export async function nearestOthers(
  { searcher, changed }: Enrolled,
  faces: readonly { readonly unit: Float32Array }[],
): Promise<Candidate[][]> {
  const width = faces[0]?.unit.length ?? 1;
  const rows = new Float32Array(faces.length * width);
  faces.forEach(({ unit }, at) => {
    rows.set(unit, at * width);
  });
  const stale = new Set([...changed.values()].map(({ id }) => id));
  // Sharp probes are compared with the faces alone.
  const alpha = new Float32Array(faces.length).fill(1);
  for (let top = firstAsked; ; top *= 4) {
    const found = await searcher.search({ rows, alpha }, top);
    const fresh = found.map((candidates) => candidates.filter(({ person }) => !stale.has(person)));
    if (top >= searcher.people || fresh.every(({ length }) => length > 0)) return fresh;
  }
}

/**
 * Opens the searcher again where many people have changed, so that comparing with them stays fast.
 */
export async function renewEnrolled(state: Enrolled): Promise<void> {
  if (state.changed.size <= mostChanged) return;
  await state.searcher[Symbol.asyncDispose]();
  state.searcher = await state.reopen();
  state.changed.clear();
}
