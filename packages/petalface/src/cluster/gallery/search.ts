import { itemAt } from "onnx-grad";
import type { alignedChoices } from "../../api/align/aligned-choices.ts";
import { type GivenFaces, openGiven } from "../../api/gallery/given.ts";
import { type GalleryModel, type GalleryModelOptions, openGalleryModel } from "../../api/gallery/model.ts";
import { countNamed, type NamedCounts } from "../../api/gallery/named.ts";
import { chooseThresholds, type ThresholdOptions } from "../../api/gallery/thresholds.ts";
import type { Surroundings } from "../../api/surroundings.ts";
import { PetalfaceError } from "../../errors.ts";
import {
  type BegunMigration,
  countDecisions,
  type Decision,
  type DecisionCounts,
  type DecisionRules,
  decide,
  describeFaces,
  type FaceDescription,
  type GallerySearcher,
  type GalleryStore,
  joinTrack,
  openDescriber,
  openGallerySearcher,
  openIndexedSearcher,
  openSearcherOfNext,
  type PersonSearcher,
  type ShownThresholds,
  shownThresholds,
  type TemplateRule,
} from "../../gallery/index.ts";
import { openLoader, printPath } from "../../images/index.ts";
import { normaliseRows } from "../../matching/index.ts";
import type { MissingPart, WhenDown } from "../search/merge.ts";
import type { GalleryParts } from "../search/parts.ts";
import { openPartsSearcher, type PartsSearcher } from "../search/searcher.ts";
import { type GalleryPlace, openGalleryAt } from "./place.ts";

/** Which faces to search for, and what counts as a match. */
export interface SearchOptions extends GalleryModelOptions, ThresholdOptions {
  /** Photos, folders and manifests, or the frames of one face. */
  readonly faces: { readonly photos: readonly string[] } | { readonly track: string };
  /** By how much the second person must be farther away. */
  readonly margin: number;
  /** Quality below which a face is unusable, in [0, 1]. */
  readonly minAlpha: number;
  readonly templates: TemplateRule;
  /** Nearest people that are listed. */
  readonly top: number;
  /** Whether the photos' folders or manifest say who is on them: right answers are counted then. */
  readonly named?: boolean | undefined;
  /** Whether the index is asked instead of comparing with everybody. */
  readonly index?: boolean | undefined;
  /** Whether the model is used that an unfinished move goes to, with the faces it has embedded. */
  readonly next?: boolean | undefined;
  /** Of a gallery on several servers: what becomes of the search if one does not answer. */
  readonly whenDown?: WhenDown | undefined;
  /** Of a gallery on several servers: seconds that a server may take for one question. */
  readonly timeout: number;
  readonly aligned: (typeof alignedChoices)[number];
}

/** The answer for a photo or a track. */
export interface SearchAnswer extends Omit<Found, "nearest" | "candidates"> {
  /** Who it is; null where the decision is not `match`. */
  readonly person: string | null;
  /** Cosine to the nearest person; null without one. */
  readonly cosine: number | null;
  readonly candidates: readonly { readonly person: string; readonly cosine: number }[];
}

/** What {@link searchGallery} found. */
export interface SearchReport {
  /** Of a gallery on several servers: those that did not answer. */
  readonly missing?: readonly MissingPart[];
  /** People of the gallery. */
  readonly enrolled: number;
  /** How was searched. */
  readonly search: GallerySearcher["kind"];
  readonly thresholds: ShownThresholds;
  readonly counts: DecisionCounts;
  readonly named?: NamedCounts;
  readonly photos: readonly SearchAnswer[];
}

/** Says who each face is, or that it is unknown: `petalface gallery search`. */
export async function searchGallery(
  place: GalleryPlace,
  options: SearchOptions,
  surroundings: Surroundings,
): Promise<SearchReport> {
  const { whenDown, aligned, margin, minAlpha, top } = options;
  if (whenDown !== undefined && place.addresses.length === 1)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'whenDown' is for a gallery on several servers, one 'store' each",
    );
  await using store = await openGalleryAt(place, { whenDown });
  const next = options.next === true ? await nextOf(store, options) : undefined;
  const model = await openGalleryModel(
    { path: store.path, record: async () => next?.record ?? store.record() },
    options,
  );
  if (model.otherAdapter)
    surroundings.note(
      "note: faces of alpha below 1 and the low-resolution copies were enrolled with another adapter; petalface gallery migrate brings them up to date",
    );
  const { size } = model.opened.model;
  const { threads } = model.engine;
  const track = "track" in options.faces ? options.faces.track : undefined;
  const specs = "track" in options.faces ? [options.faces.track] : options.faces.photos;
  using given = await openGiven(
    specs,
    { aligned, mostLeftOut: 1, size, threads, reportsMissing: track === undefined },
    surroundings,
  );
  const photographed = options.named === true ? namesOf(given) : undefined;
  const described = await describeGiven(given, model, surroundings);
  await using searcher = await openSearch(store, model, next, options);
  const chosen = await chooseThresholds(
    searcher,
    model.record,
    // Those that the gallery keeps are of the model in use.
    next === undefined ? store.settings.thresholds : null,
    options,
    surroundings,
  );
  const rules: DecisionRules = {
    thresholds: chosen.table,
    ...{ margin, lowestAlpha: minAlpha, people: searcher.people },
    hasCopies: store.settings.copies.length > 0,
  };
  const { signal } = surroundings;
  const found =
    track === undefined
      ? await searchEach(given, described, searcher, rules, top, signal)
      : [await searchTrack(track, described.faces, searcher, rules, top, signal)];
  const photos = await withNames(found, store, searcher);
  const named = photographed && countNamed(photos, photographed, new Set((await store.ids(photographed)).keys()));
  return {
    ...("missing" in searcher && { missing: searcher.missing() }),
    enrolled: searcher.people,
    search: searcher.kind,
    thresholds: shownThresholds(chosen, store.settings),
    counts: countDecisions(photos),
    ...(named && { named }),
    photos,
  };
}

/** The unfinished move of a gallery. Throws PetalfaceError where there is none. */
async function nextOf(store: GalleryStore | GalleryParts, { index }: SearchOptions): Promise<BegunMigration> {
  if ("parts" in store || index === true)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'next' compares with all faces of a gallery on one server, without 'index'",
    );
  const next = await store.begunMigration();
  if (next !== undefined) return next;
  throw new PetalfaceError(
    "PETAL_OPTION_UNFIT",
    `${printPath(store.path)} does not move to another model; begin with petalface gallery migrate and 'prepare'`,
  );
}

/** Answers with people's names in place of their numbers. */
async function withNames(
  found: readonly Found[],
  store: GalleryStore | GalleryParts,
  searcher: GallerySearcher | PartsSearcher,
): Promise<SearchAnswer[]> {
  const listed = found.flatMap(({ candidates, nearest }) => [...candidates, ...(nearest ? [nearest] : [])]);
  const people = listed.map(({ person }) => person);
  // A server that has answered may be down by now.
  const names = "missing" in searcher ? searcher.names(people) : await store.names(people);
  return found.map(({ nearest, candidates, ...rest }) => ({
    ...rest,
    person: rest.decision === "match" ? (names.get(nearest?.person ?? -1) ?? null) : null,
    cosine: nearest?.cosine ?? null,
    candidates: candidates.map(({ person, cosine }) => ({ person: names.get(person) ?? "", cosine })),
  }));
}

/** Who is on each photo, as its folder or manifest says. */
function namesOf({ data }: GivenFaces): string[] {
  return Array.from({ length: data.length }, (_, index) => {
    const { id, person } = data.at(index);
    const name = data.people[person];
    if (name === undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `'named': nothing says who is on ${printPath(id)}; give folders of one folder a person, or a manifest with a column person`,
      );
    return name;
  });
}

/** Opens search in a gallery, or in all parts of one, or by the model that it moves to. */
async function openSearch(
  store: GalleryStore | GalleryParts,
  { engine }: GalleryModel,
  next: BegunMigration | undefined,
  { index = false, templates, whenDown = "error", timeout }: SearchOptions,
): Promise<GallerySearcher | PartsSearcher> {
  if (next !== undefined) return await openSearcherOfNext(next, templates, engine);
  if ("parts" in store)
    return await openPartsSearcher(store, {
      rule: templates,
      session: engine,
      indexed: index,
      whenDown,
      seconds: timeout,
    });
  return index ? await openIndexedSearcher(store, templates) : await openGallerySearcher(store, templates, engine);
}

/** Descriptions of the given faces; undefined where there is none, and then why. */
interface Described {
  readonly faces: readonly (FaceDescription | undefined)[];
  readonly problems: ReadonlyMap<number, { readonly reason: Decision["reason"]; readonly detail: string | null }>;
}

async function describeGiven(
  { data, lost }: GivenFaces,
  model: GalleryModel,
  surroundings: Surroundings,
): Promise<Described> {
  const { opened, engine, calibration } = model;
  const problems = new Map<number, { reason: Decision["reason"]; detail: string | null }>();
  for (const [index, reason] of lost) problems.set(index, { reason, detail: null });
  const usable = Array.from({ length: data.length }, (_, index) => index).filter((index) => !lost.has(index));
  const faces: (FaceDescription | undefined)[] = Array.from({ length: data.length });
  await using describer = await openDescriber(opened, calibration, engine);
  const count = usable.length;
  await using loader = openLoader({ size: opened.model.size, threads: Math.min(engine.threads, count), faces: count });
  const requests = usable.map((index) => {
    const { source, quality } = data.at(index);
    return { source, flip: false, quality };
  });
  const parts = describeFaces(requests, {
    describer,
    loader,
    copies: [],
    signal: surroundings.signal,
    onLeft: (at, detail) => problems.set(itemAt(usable, at), { reason: "it cannot be read", detail }),
  });
  for await (const { start, faces: some } of parts)
    some.forEach((face, at) => {
      faces[itemAt(usable, start + at)] = face;
    });
  return { faces, problems };
}

interface Found extends Decision {
  readonly photo: string;
  readonly alpha: number | null;
  readonly detail: string | null;
  readonly candidates: Awaited<ReturnType<PersonSearcher["search"]>>[number];
}

async function searchEach(
  { data }: GivenFaces,
  { faces, problems }: Described,
  searcher: PersonSearcher,
  rules: DecisionRules,
  top: number,
  signal: AbortSignal,
): Promise<Found[]> {
  const usable = [...faces.keys()].filter((index) => faces[index] !== undefined);
  const described = faces.filter((face) => face !== undefined);
  const width = described[0]?.vector.length ?? 1;
  const rows = new Float32Array(usable.length * width);
  described.forEach(({ vector }, at) => {
    rows.set(vector, at * width);
  });
  const alpha = described.map((face) => face.alpha);
  // The second person is needed even where one is listed.
  const candidates = await searcher.search({ rows: normaliseRows(rows, width), alpha }, Math.max(2, top), signal);
  const places = new Map(usable.map((index, at) => [index, at]));
  return Array.from({ length: data.length }, (_, index): Found => {
    const photo = data.at(index).id;
    const at = places.get(index);
    if (at === undefined) {
      const { reason = "it cannot be read", detail = null } = problems.get(index) ?? {};
      return unusable(photo, reason, detail);
    }
    const near = candidates[at] ?? [];
    const decision = decide(itemAt(alpha, at), near, rules);
    return { photo, alpha: itemAt(alpha, at), detail: null, ...decision, candidates: near.slice(0, top) };
  });
}

async function searchTrack(
  track: string,
  faces: readonly (FaceDescription | undefined)[],
  searcher: PersonSearcher,
  rules: DecisionRules,
  top: number,
  signal: AbortSignal,
): Promise<Found> {
  const frames = faces.filter((face) => face !== undefined);
  if (frames.length === 0) return unusable(track, "no face was found", null);
  const { unit, alpha, used } = await joinTrack(frames);
  const [near = []] = await searcher.search({ rows: unit, alpha: [alpha] }, Math.max(2, top), signal);
  const detail = `${used.length} of ${faces.length} frames`;
  return { photo: track, alpha, detail, ...decide(alpha, near, rules), candidates: near.slice(0, top) };
}

const unusable = (photo: string, reason: Decision["reason"], detail: string | null): Found => ({
  photo,
  alpha: null,
  detail,
  decision: "unusable",
  reason,
  nearest: null,
  threshold: null,
  falseAcceptRate: null,
  candidates: [],
});
