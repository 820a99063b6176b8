import { type EnrolledVectors, estimateThresholds, type ThresholdTable, thresholdAt } from "petalface/gallery";
import { type Interval, withEnds } from "../skeleton/intervals.ts";
import { table } from "../skeleton/page.ts";
import type { Describing, View } from "./describe.ts";
import type { Person } from "./faces.ts";
import { withIntervals } from "./interval.ts";
import { enrolFirst, nearest, openPeople } from "./search.ts";

/** Sides in pixels of the searched faces; undefined: as they are. */
const sides = [undefined, 16, 12, 8] as const;
type Side = (typeof sides)[number];
const rates = [0.01, 0.001] as const;
/** Below, a face is a poor one, as `estimateThresholds` has it. */
const poor = 0.5;

interface Seen {
  readonly side: Side;
  readonly alpha: number;
  readonly cosine: number;
  /** Whether the nearest person is the right one; strangers have none. */
  readonly right: boolean;
}

/** One person's searches. */
interface Searches {
  readonly person: Person;
  readonly stranger: boolean;
  readonly seen: Seen[];
}

/** Who is searched for in whose gallery. */
export interface OpenSet {
  readonly people: readonly Person[];
  readonly strangers: readonly Person[];
  /** Names of strangers who are enrolled under another name. */
  readonly twice: ReadonlySet<string>;
  /** Searches of a person at each side: of different photos where there are, drawn differently. */
  readonly draws: number;
  /** Sides of the enrolled low-resolution copies. */
  readonly copies: readonly number[];
}

/**
 * A gallery of people with one photo each, searched for with other photos of them and with photos
 * of strangers.
 */
export async function openSetTables(model: Describing, set: OpenSet): Promise<string> {
  const { people, strangers, twice, draws, copies } = set;
  const gallery = await enrolFirst(model, people, copies);
  const mates = people.flatMap((person, place) => (person.photos.length > 1 ? [{ person, place }] : []));
  const places = new Map(mates.map(({ person, place }) => [person.name, place]));
  const searches: Searches[] = [
    ...mates.map(({ person }) => ({ person, stranger: false, seen: [] })),
    ...strangers.map((person) => ({ person, stranger: true, seen: [] })),
  ];
  for (const side of sides) {
    const views = searches.flatMap((one) => viewsOf(one, side, draws).map((view) => ({ one, view })));
    const probes = await describeOnce(
      model,
      views.map(({ view }) => view),
    );
    const found = await nearest(gallery, "best", probes);
    views.forEach(({ one }, at) => {
      const [first] = found[at] ?? [];
      if (first === undefined) return;
      const right = !one.stranger && first.person === places.get(one.person.name);
      one.seen.push({ side, alpha: probes[at]?.alpha ?? 1, cosine: first.cosine, right });
    });
  }
  const once = searches.filter(({ person }) => !twice.has(person.name));
  return [
    atEachSide(once),
    mixed(once),
    ...(once.length < searches.length
      ? [`The same with the strangers who are enrolled:\n\n${mixedTable(searches)}`]
      : []),
    onTheGallery(once, await estimatesOn(gallery)),
  ].join("\n\n");
}

/** What a person is searched with: the enrolled photo is the first one. */
function viewsOf({ person, stranger }: Searches, side: Side, draws: number): View[] {
  const photos = stranger ? person.photos : person.photos.slice(1);
  return Array.from({ length: draws }, (_, draw) => ({
    photo: photos[draw % photos.length],
    ...(side !== undefined && { degrade: `lr:${side}`, ...(draw > 0 && { draw }) }),
  }));
}

/** Describes each view once: sharp ones of somebody with one photo are all the same. */
async function describeOnce(model: Describing, views: readonly View[]) {
  const keyOf = ({ photo, ...rest }: View): string => JSON.stringify([photo.path, rest]);
  const unique = new Map(views.map((view) => [keyOf(view), view]));
  const described = await model.describe([...unique.values()], []);
  const byKey = new Map([...unique.keys()].map((key, at) => [key, described[at]]));
  return views.map((view) => byKey.get(keyOf(view)) ?? described[0]);
}

async function estimatesOn(gallery: EnrolledVectors): Promise<ThresholdTable[]> {
  await using searcher = openPeople(gallery, "best");
  const found = await Promise.all(rates.map((rate) => estimateThresholds(gallery, searcher, rate)));
  return found.flatMap((each) => (each === undefined ? [] : [each.table]));
}

/** The cosine that at most this share of strangers' searches exceeds. */
function thresholdFor(strangers: readonly Seen[], rate: number): number {
  const cosines = Float64Array.from(strangers, ({ cosine }) => cosine).sort();
  const allowed = Math.floor(rate * cosines.length * (1 + 1e-12));
  return cosines[cosines.length - 1 - allowed] ?? Number.NaN;
}

const seenBy = (all: readonly Searches[], stranger: boolean): Seen[] =>
  all.flatMap((one) => (one.stranger === stranger ? one.seen : []));

/** Share of the searches that exceed their threshold (and find the right person, for mates). */
function shareAbove(seen: readonly Seen[], thresholdOf: (one: Seen) => number, ofMates: boolean): number {
  const above = seen.filter((one) => one.cosine > thresholdOf(one) && (one.right || !ofMates));
  return above.length / seen.length;
}

const nameOf = (side: Side): string => (side === undefined ? "sharp" : `${side} px`);

/** DIR where all searches have one resolution, which has its own threshold. */
function atEachSide(searches: readonly Searches[]): string {
  const rows = sides.map((side) => {
    const cells = withIntervals(searches, (chosen) => {
      const at = (stranger: boolean) => seenBy(chosen, stranger).filter((one) => one.side === side);
      const [mates, strangers] = [at(false), at(true)];
      const dir = rates.map((rate) => {
        const threshold = thresholdFor(strangers, rate);
        return shareAbove(mates, () => threshold, true);
      });
      return [mates.filter(({ right }) => right).length / mates.length, ...dir];
    });
    return [nameOf(side), ...cells.map((cell) => withEnds(cell))];
  });
  return `All searches of one resolution:\n\n${table(
    ["searched faces", "rank-1", ...rates.map((rate) => `DIR at FPIR ${100 * rate} %`)],
    rows,
  )}`;
}

/**
 * Thresholds that hold a rate for strangers: one for all, or one for poor and one for other faces.
 */
function rulesFor(searches: readonly Searches[], rate: number) {
  const strangers = seenBy(searches, true);
  const single = thresholdFor(strangers, rate);
  const isPoor = (one: Seen): boolean => one.alpha < poor;
  const [low, high] = [
    thresholdFor(strangers.filter(isPoor), rate),
    thresholdFor(
      strangers.filter((one) => !isPoor(one)),
      rate,
    ),
  ];
  return { single: () => single, byQuality: (one: Seen) => (isPoor(one) ? low : high) };
}

const columns = ["all" as const, ...sides];

/** DIR by two rules for the threshold, and the difference; one list of columns each. */
function compareRules(searches: readonly Searches[], rate: number): Interval[][] {
  const cells = withIntervals(searches, (chosen) => {
    const rules = rulesFor(chosen, rate);
    const mates = seenBy(chosen, false);
    const dir = (rule: keyof typeof rules): number[] =>
      columns.map((side) =>
        shareAbove(
          mates.filter((one) => side === "all" || one.side === side),
          rules[rule],
          true,
        ),
      );
    const [single, byQuality] = [dir("single"), dir("byQuality")];
    return [...single, ...byQuality, ...byQuality.map((value, at) => value - single[at])];
  });
  return [0, 1, 2].map((rule) => cells.slice(rule * columns.length, (rule + 1) * columns.length));
}

function mixedTable(searches: readonly Searches[]): string {
  const compared = rates.map((rate) => ({ rate, rules: compareRules(searches, rate) }));
  const names = ["one threshold", "by quality", "difference"];
  const rows = compared.flatMap(({ rate, rules }) =>
    rules.map((cells, rule) => [`${100 * rate} %, ${names[rule]}`, ...cells.map((cell) => withEnds(cell))]),
  );
  const columnsOf = (cells: readonly Interval[], is: (cell: Interval) => boolean): string =>
    columns
      .filter((_, at) => is(cells[at]))
      .map((side) => (side === "all" ? "all together" : nameOf(side)))
      .join(", ") || "none";
  const verdicts = compared.map(({ rate, rules: [, , difference] }) => {
    const [better, worse] = [
      columnsOf(difference, ({ low }) => low > 0),
      columnsOf(difference, ({ high }) => high < 0),
    ];
    return `At FPIR ${100 * rate} % thresholds by quality find more, beyond the interval: ${better}; fewer: ${worse}.`;
  });
  return `${table(["FPIR, rule", "all", ...sides.map(nameOf)], rows)}\n\n${verdicts.join(" ")}`;
}

/** DIR where searches of all resolutions come mixed, by two rules for the threshold. */
const mixed = (searches: readonly Searches[]): string =>
  `Searches of the four resolutions, equally often, with thresholds that hold the rate for all of them together
(one threshold), or for faces with alpha below ${poor} and for the others (by quality). DIR:\n\n${mixedTable(searches)}`;

/** What thresholds that are estimated on the gallery alone let through. */
function onTheGallery(searches: readonly Searches[], tables: readonly ThresholdTable[]): string {
  const rows = tables.flatMap((found) => {
    const thresholdOf = (one: Seen): number => thresholdAt(found, one.alpha)?.cosine ?? Number.POSITIVE_INFINITY;
    return sides.map((side) => {
      const cells = withIntervals(searches, (chosen) =>
        [true, false].map((stranger) =>
          shareAbove(
            seenBy(chosen, stranger).filter((one) => one.side === side),
            thresholdOf,
            !stranger,
          ),
        ),
      );
      return [`${100 * (found.rate ?? Number.NaN)} %`, nameOf(side), ...cells.map((cell) => withEnds(cell))];
    });
  });
  return `Thresholds that \`gallery search\` estimates on the enrolled people alone:\n\n${table(
    ["asked rate", "searched faces", "strangers accepted", "DIR"],
    rows,
  )}`;
}
