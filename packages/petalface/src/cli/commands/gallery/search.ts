import { type Command, Option } from "commander";
import { itemAt } from "onnx-grad";
import { alignedChoices } from "../../../api/aligned-choices.ts";
import { type GalleryModel, openGalleryModel } from "../../../api/gallery-model.ts";
import { PetalfaceError } from "../../../errors.ts";
import {
  type ChosenThresholds,
  type Decision,
  type DecisionRules,
  decide,
  defaultTemplateRule,
  describeFaces,
  estimateThresholds,
  type FaceDescription,
  type GallerySearcher,
  joinTrack,
  openDescriber,
  openGallery,
  openGallerySearcher,
  openIndexedSearcher,
  type PersonSearcher,
  singleThreshold,
  type TemplateRule,
  templateRules,
} from "../../../gallery/index.ts";
import { openLoader, printPath } from "../../../images/index.ts";
import { normaliseRows } from "../../../matching/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { numeric } from "../../numbers.ts";
import { parseInteger } from "../../options.ts";
import { readThresholds } from "./create.ts";
import { type GivenFaces, openGiven } from "./faces.ts";
import { type GalleryModelFlags, withGalleryModel } from "./model.ts";
import { galleryArgument, placeOf, type StoreFlags, withStore } from "./store.ts";

interface Flags extends GalleryModelFlags, StoreFlags {
  readonly track?: string;
  readonly threshold?: number;
  readonly thresholds?: string;
  readonly rate: number;
  readonly margin: number;
  readonly minAlpha: number;
  readonly templates: TemplateRule;
  readonly top: number;
  readonly index?: boolean;
  readonly aligned: (typeof alignedChoices)[number];
}

/** `petalface gallery search G.db PHOTO...`. */
export function searchCommand(parent: Command, context: CliContext): void {
  const command = parent
    .command("search")
    .description("say who each face is, or that it is unknown")
    .argument("<gallery>", galleryArgument)
    .argument("[photos...]", "photos, folders, manifests")
    .option("--track <folder>", "frames of one face: one answer for all of them together")
    .option("--threshold <cosine>", "what the cosine of a match exceeds, whatever the quality", numeric)
    .option("--thresholds <file.json>", "thresholds by alpha")
    .option(
      "--rate <share>",
      "false-positive identification rate for which thresholds are estimated on the gallery",
      numeric,
      0.01,
    )
    .option("--margin <cosine>", "by how much the second person must be farther away", numeric, 0.02)
    .option("--min-alpha <share>", "quality below which a face is unusable", numeric, 0)
    .addOption(
      new Option("--templates <rule>", "how a person's faces answer: nearest one, mean, mean by quality")
        .choices(templateRules)
        .default(defaultTemplateRule),
    )
    .option("--index", "ask the index that `gallery index` built instead of comparing with everybody")
    .option("--top <n>", "nearest people that are listed", parseInteger("--top", 1, 1000), 5)
    .addOption(
      new Option("--aligned <yes|no|auto>", "whether the pictures are aligned faces; photos are aligned first")
        .choices(alignedChoices)
        .default("auto"),
    );
  withStore(withGalleryModel(command)).action((gallery: string, photos: string[], flags: Flags) =>
    run(gallery, photos, flags, context),
  );
  withExamples(
    command,
    "gallery search people.db photo.jpg",
    "gallery search people.db door/*.jpg --threshold 0.35 --json",
    "gallery search people.db --track frames",
  );
}

async function run(gallery: string, photos: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  const { track } = flags;
  if ((track === undefined) === (photos.length === 0))
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give photos to search for, or --track FOLDER");
  if (flags.threshold !== undefined && flags.thresholds !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give --threshold or --thresholds, not both");
  if (!(flags.rate > 0 && flags.rate <= 1))
    throw new PetalfaceError("PETAL_OPTION_INVALID", "--rate is a share above 0, at most 1");
  const { address, shown: path } = placeOf(gallery, flags);
  await using store = await openGallery(address);
  const model = await openGalleryModel(store, flags);
  if (model.otherAdapter)
    context.note(
      "note: faces of alpha below 1 and the low-resolution copies were enrolled with another adapter; petalface gallery migrate brings them up to date",
    );
  const { size } = model.opened.model;
  const { threads } = model.engine;
  const specs = track === undefined ? photos : [track];
  using given = await openGiven(specs, { aligned: flags.aligned, maxLeftOut: 1, size, threads }, context);
  const { faces, problems } = await describeGiven(given, model, context);
  await using searcher = flags.index
    ? await openIndexedSearcher(store, flags.templates)
    : await openGallerySearcher(store, flags.templates, model.engine);
  const chosen = await chooseThresholds(searcher, store.settings.thresholds, flags, context);
  const rules = { thresholds: chosen.table, margin: flags.margin, lowestAlpha: flags.minAlpha };
  const found =
    track === undefined
      ? await searchEach(given, { faces, problems }, searcher, rules, flags.top, context.signal)
      : [await searchTrack(track, faces, searcher, rules, flags.top, context.signal)];
  const named = found.flatMap(({ candidates, nearest }) => [...candidates, ...(nearest ? [nearest] : [])]);
  const names = await store.names(named.map(({ person }) => person));
  const answers = found.map(({ nearest, candidates, ...rest }) => ({
    ...rest,
    person: rest.decision === "match" ? (names.get(nearest?.person ?? -1) ?? null) : null,
    cosine: nearest?.cosine ?? null,
    candidates: candidates.map(({ person, cosine }) => ({ person: names.get(person) ?? "", cosine })),
  }));
  context.note(describeThresholds(chosen));
  context.result(
    {
      gallery: path,
      enrolled: searcher.people,
      search: searcher.kind,
      templates: flags.templates,
      thresholds: chosen,
      photos: answers,
    },
    answers.map(printAnswer).join("\n"),
  );
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

/** Faces that thresholds are estimated on, at most. */
const sampled = 2048;

/** The thresholds that options, the gallery or an estimate give. Throws PetalfaceError where there are none. */
export async function chooseThresholds(
  searcher: GallerySearcher,
  stored: ChosenThresholds["table"] | null,
  flags: Pick<Flags, "threshold" | "thresholds" | "rate">,
  { signal }: Pick<CliContext, "signal">,
): Promise<ChosenThresholds> {
  if (flags.threshold !== undefined) return { kind: "given", table: singleThreshold(flags.threshold) };
  if (flags.thresholds !== undefined) return { kind: "given", table: await readThresholds(flags.thresholds) };
  if (stored !== null) return { kind: "stored", table: stored };
  const estimated = await estimateThresholds(await searcher.sample(sampled), searcher, flags.rate, signal);
  if (estimated === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      "a threshold can be estimated where at least two people are enrolled; enrol more, or give --threshold COSINE",
    );
  return estimated;
}

/** One line on thresholds and where they come from. */
export function describeThresholds({ kind, table, faces, smallestRate = 0 }: ChosenThresholds): string {
  const rows = table.rows.map(
    ({ alpha: [from, to], cosine }) =>
      `${cosine === null ? "none" : cosine.toFixed(3)}${from === 0 && to === 1 ? "" : ` for alpha ${from} to ${to}`}`,
  );
  const source = {
    given: "as given",
    stored: "stored in the gallery",
    estimated: `estimated on ${faces} enrolled faces for a false-positive rate of ${table.rate}`,
  }[kind];
  const few =
    kind === "estimated" && smallestRate > (table.rate ?? 1)
      ? `; so few faces can only show ${smallestRate.toPrecision(2)}, so their highest cosine counts`
      : "";
  return `thresholds: ${rows.join(", ")} (${source}${few})`;
}

function printAnswer(answer: {
  readonly photo: string;
  readonly decision: string;
  readonly reason: string | null;
  readonly person: string | null;
  readonly cosine: number | null;
  readonly threshold: number | null;
  readonly alpha: number | null;
  readonly detail: string | null;
  readonly candidates: readonly { readonly person: string; readonly cosine: number }[];
}): string {
  const { photo, decision, reason, person, cosine, threshold, alpha, detail, candidates } = answer;
  const [first] = candidates;
  const said = person ?? reason ?? "";
  const numbers = [
    ...(cosine === null ? [] : [`cosine ${cosine.toFixed(3)}${person === null && first ? ` to ${first.person}` : ""}`]),
    ...(threshold === null ? [] : [`threshold ${threshold.toFixed(3)}`]),
    ...(alpha === null ? [] : [`alpha ${alpha.toFixed(2)}`]),
    ...(detail === null ? [] : [detail]),
  ];
  return `${printPath(photo)}: ${decision}${decision === "match" ? ` ${said}` : `, ${said}`}${numbers.length > 0 ? ` (${numbers.join(", ")})` : ""}`;
}
