import { type Command, Option } from "commander";
import { itemAt } from "onnx-grad";
import type { alignedChoices } from "../../../api/aligned-choices.ts";
import { type GivenFaces, openGiven } from "../../../api/gallery/given.ts";
import { type GalleryModel, openGalleryModel } from "../../../api/gallery-model.ts";
import { type GalleryParts, openPartsSearcher, type PartsSearcher, type WhenDown } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import {
  countDecisions,
  type Decision,
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
  type PersonSearcher,
} from "../../../gallery/index.ts";
import { openLoader, printPath } from "../../../images/index.ts";
import { normaliseRows } from "../../../matching/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { parseInteger } from "../../options.ts";
import { printAnswer } from "./answers.ts";
import { countNamed, printCounts } from "./counts.ts";
import { alignedOption, checkDecisions, type DecisionFlags, withDecisionOptions } from "./decisions.ts";
import { type GalleryModelFlags, withGalleryModel } from "./model.ts";
import { galleryArgument, openPlaces, placesOf, type StoreFlags, withStore } from "./store.ts";
import { chooseThresholds, describeThresholds } from "./thresholds.ts";

interface Flags extends GalleryModelFlags, StoreFlags, DecisionFlags {
  readonly track?: string;
  readonly top: number;
  readonly named?: boolean;
  readonly index?: boolean;
  readonly whenDown?: WhenDown;
  readonly timeout: number;
  readonly aligned: (typeof alignedChoices)[number];
}

/** `petalface gallery search G.db PHOTO...`. */
export function searchCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("search")
    .description("say who each face is, or that it is unknown")
    .argument("<gallery>", galleryArgument)
    .argument("[photos...]", "photos, folders, manifests")
    .option("--track <folder>", "frames of one face: one answer for all of them together");
  withDecisionOptions(command)
    .option("--index", "ask the index that `gallery index` built instead of comparing with everybody")
    .option("--top <n>", "nearest people that are listed", parseInteger("--top", 1, 1000), 5)
    .option("--named", "the photos' folders or manifest say who is on them: count how often the answer is right")
    .addOption(alignedOption());
  withStore(withGalleryModel(command), { several: true })
    .addOption(
      new Option(
        "--when-down <error|partial>",
        "with several --store: whether a server that does not answer ends the search, or the others answer",
      ).choices(["error", "partial"]),
    )
    .option(
      "--timeout <seconds>",
      "with several --store: how long a server may take for one question",
      parseInteger("--timeout", 1, 86_400),
      30,
    )
    .action((gallery: string, photos: string[], flags: Flags) => run(gallery, photos, flags, context));
  withExamples(
    command,
    "gallery search people.db photo.jpg",
    "gallery search people.db door/*.jpg --threshold 0.35 --json",
    "gallery search people.db --track frames",
    "gallery search people photo.jpg --store postgres://me@db1/faces --store postgres://me@db2/faces",
  );
}

async function run(gallery: string, photos: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  const { track } = flags;
  if ((track === undefined) === (photos.length === 0))
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give photos to search for, or --track FOLDER");
  if (flags.named === true && track !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "--named is for photos, not for --track");
  checkDecisions(flags);
  const place = placesOf(gallery, flags);
  const { shown: path } = place;
  const { whenDown } = flags;
  if (whenDown !== undefined && place.addresses.length === 1)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "--when-down is for a gallery on several servers, one --store each",
    );
  await using store = await openPlaces(place, { whenDown });
  const model = await openGalleryModel(store, flags);
  if (model.otherAdapter)
    context.note(
      "note: faces of alpha below 1 and the low-resolution copies were enrolled with another adapter; petalface gallery migrate brings them up to date",
    );
  const { size } = model.opened.model;
  const { threads } = model.engine;
  const specs = track === undefined ? photos : [track];
  using given = await openGiven(specs, { aligned: flags.aligned, mostLeftOut: 1, size, threads }, context);
  const photographed = flags.named === true ? namesOf(given) : undefined;
  const { faces, problems } = await describeGiven(given, model, context);
  await using searcher = await openSearch(store, model, flags);
  const chosen = await chooseThresholds(searcher, store.settings.thresholds, flags, context);
  const rules = { thresholds: chosen.table, margin: flags.margin, lowestAlpha: flags.minAlpha };
  const found =
    track === undefined
      ? await searchEach(given, { faces, problems }, searcher, rules, flags.top, context.signal)
      : [await searchTrack(track, faces, searcher, rules, flags.top, context.signal)];
  const listed = found.flatMap(({ candidates, nearest }) => [...candidates, ...(nearest ? [nearest] : [])]);
  const people = listed.map(({ person }) => person);
  // A server that has answered may be down by now.
  const names = "missing" in searcher ? searcher.names(people) : await store.names(people);
  const answers = found.map(({ nearest, candidates, ...rest }) => ({
    ...rest,
    person: rest.decision === "match" ? (names.get(nearest?.person ?? -1) ?? null) : null,
    cosine: nearest?.cosine ?? null,
    candidates: candidates.map(({ person, cosine }) => ({ person: names.get(person) ?? "", cosine })),
  }));
  const counts = countDecisions(answers);
  const named = photographed && countNamed(answers, photographed, new Set((await store.ids(photographed)).keys()));
  context.note(describeThresholds(chosen));
  const missing = "missing" in searcher ? searcher.missing() : [];
  for (const { part, reason } of missing) context.note(`partial answer: ${part} was not searched (${reason})`);
  context.result(
    {
      gallery: path,
      ...("missing" in searcher && { missing }),
      enrolled: searcher.people,
      search: searcher.kind,
      templates: flags.templates,
      thresholds: chosen,
      counts,
      ...(named && { named }),
      photos: answers,
    },
    [...answers.map(printAnswer), ...(answers.length > 1 ? printCounts(counts, named) : [])].join("\n"),
  );
}

/** Who is on each photo, as its folder or manifest says. */
function namesOf({ data }: GivenFaces): string[] {
  return Array.from({ length: data.length }, (_, index) => {
    const { id, person } = data.at(index);
    const name = data.people[person];
    if (name === undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `--named: nothing says who is on ${printPath(id)}; give folders of one folder a person, or a manifest with a column person`,
      );
    return name;
  });
}

/** Opens search in a gallery, or in all parts of one. */
async function openSearch(
  store: GalleryStore | GalleryParts,
  { engine }: GalleryModel,
  { index = false, templates, whenDown = "error", timeout }: Flags,
): Promise<GallerySearcher | PartsSearcher> {
  if ("parts" in store)
    return await openPartsSearcher(store, {
      ...{ rule: templates, session: engine, indexed: index, whenDown, seconds: timeout },
    });
  return index ? await openIndexedSearcher(store, templates) : await openGallerySearcher(store, templates, engine);
}

/** Descriptions of the given faces; undefined where there is none, and then why. */
interface Described {
  readonly faces: readonly (FaceDescription | undefined)[];
  readonly problems: ReadonlyMap<number, { readonly reason: Decision["reason"]; readonly detail: string | null }>;
}

async function describeGiven({ data, lost }: GivenFaces, model: GalleryModel, context: CliContext): Promise<Described> {
  const { opened, engine, calibration } = model;
  const problems = new Map<number, { reason: Decision["reason"]; detail: string | null }>();
  for (const [index, reason] of lost) problems.set(index, { reason, detail: null });
  const usable = Array.from({ length: data.length }, (_, index) => index).filter((index) => !lost.has(index));
  const faces: (FaceDescription | undefined)[] = Array.from({ length: data.length });
  await using describer = await openDescriber(opened, calibration, engine);
  await using loader = openLoader({ size: opened.model.size, threads: Math.min(engine.threads, usable.length) });
  const requests = usable.map((index) => {
    const { source, quality } = data.at(index);
    return { source, flip: false, quality };
  });
  const parts = describeFaces(requests, {
    ...{ describer, loader, copies: [], signal: context.signal },
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
  ...{ photo, alpha: null, detail, decision: "unusable", reason, nearest: null, threshold: null, candidates: [] },
});
