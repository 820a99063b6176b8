import { buildTemplates, estimateThresholds, openSearcher, type ThresholdTable, thresholdAt } from "petalface/gallery";
import { table } from "../skeleton/page.ts";
import type { Describing, View } from "./describe.ts";
import type { Person } from "./faces.ts";
import { percent, withInterval } from "./interval.ts";
import { enrolled, nearest } from "./search.ts";

/** Sides in pixels of the searched faces; undefined: as they are. */
const sides = [undefined, 16, 12, 8] as const;
const rates = [0.01, 0.001] as const;
/** Below, a face is a poor one, as `estimateThresholds` has it. */
const poor = 0.5;

interface Seen {
  readonly side: (typeof sides)[number];
  readonly alpha: number;
  readonly cosine: number;
  /** Whether the nearest person is the right one; strangers have none. */
  readonly right: boolean;
}

/** One person's searches. */
interface Searches {
  readonly stranger: boolean;
  readonly seen: readonly Seen[];
}

/**
 * A gallery of people with one photo each, searched for with another photo of them and with photos
 * of strangers.
 */
export async function openSetTables(
  model: Describing,
  people: readonly Person[],
  strangers: readonly Person[],
  copies: readonly number[],
): Promise<string> {
  const photoOf = (person: Person, at: number) => person.photos[at];
  const faces = await model.describe(
    people.map((person) => ({ photo: photoOf(person, 0) })),
    copies,
  );
  const gallery = enrolled(faces, [...people.keys()], copies.length > 0);
  const mates = people.flatMap((person, place) => (person.photos.length > 1 ? [{ person, place }] : []));
  const degradeOf = (side: Seen["side"]): Pick<View, "degrade"> =>
    side === undefined ? {} : { degrade: `lr:${side}` };
  const collected = [...mates, ...strangers].map(() => [] as Seen[]);
  for (const side of sides) {
    const views = [
      ...mates.map(({ person }) => ({ photo: photoOf(person, 1), ...degradeOf(side) })),
      ...strangers.map((person) => ({ photo: photoOf(person, 0), ...degradeOf(side) })),
    ];
    const probes = await model.describe(views, []);
    const found = await nearest(gallery, "best", probes);
    found.forEach(([first], at) => {
      if (first === undefined) return;
      const right = first.person === mates[at]?.place;
      collected[at]?.push({ side, alpha: probes[at]?.alpha ?? 1, cosine: first.cosine, right });
    });
  }
  const searches = collected.map((seen, at): Searches => ({ stranger: at >= mates.length, seen }));
  await using searcher = openSearcher(buildTemplates(gallery, "best"), { threads: 1 });
  const estimates = await Promise.all(rates.map((rate) => estimateThresholds(gallery, searcher, rate)));
  return [
    atEachSide(searches),
    mixed(searches),
    onTheGallery(
      searches,
      estimates.flatMap((found) => (found === undefined ? [] : [found.table])),
    ),
  ].join("\n\n");
}

/** The cosine that at most this share of strangers' searches exceeds. */
function thresholdFor(strangers: readonly Seen[], rate: number): number {
  const cosines = strangers.map(({ cosine }) => cosine).sort((a, b) => a - b);
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

const nameOf = (side: Seen["side"]): string => (side === undefined ? "sharp" : `${side} px`);

/** DIR where all searches have one resolution, which has its own threshold. */
function atEachSide(searches: readonly Searches[]): string {
  const rows = sides.map((side) => [
    nameOf(side),
    percent(
      withInterval(searches, (chosen) => {
        const seen = seenBy(chosen, false).filter((one) => one.side === side);
        return seen.filter(({ right }) => right).length / seen.length;
      }),
    ),
    ...rates.map((rate) =>
      percent(
        withInterval(searches, (chosen) => {
          const at = (stranger: boolean) => seenBy(chosen, stranger).filter((one) => one.side === side);
          const threshold = thresholdFor(at(true), rate);
          return shareAbove(at(false), () => threshold, true);
        }),
      ),
    ),
  ]);
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

/** DIR where searches of all resolutions come mixed, by two rules for the threshold. */
function mixed(searches: readonly Searches[]): string {
  const rows = rates.flatMap((rate) => {
    const dir =
      (rule: "single" | "byQuality", side?: Seen["side"] | "all") =>
      (chosen: readonly Searches[]): number => {
        const rules = rulesFor(chosen, rate);
        const seen = seenBy(chosen, false).filter((one) => side === "all" || one.side === side);
        return shareAbove(seen, rules[rule], true);
      };
    const difference = (side?: Seen["side"] | "all") => (chosen: readonly Searches[]) =>
      dir("byQuality", side)(chosen) - dir("single", side)(chosen);
    const columns = ["all" as const, ...sides];
    return [
      [
        `${100 * rate} %, one threshold`,
        ...columns.map((side) => percent(withInterval(searches, dir("single", side)))),
      ],
      [
        `${100 * rate} %, by quality`,
        ...columns.map((side) => percent(withInterval(searches, dir("byQuality", side)))),
      ],
      [`${100 * rate} %, difference`, ...columns.map((side) => percent(withInterval(searches, difference(side))))],
    ];
  });
  return `Searches of the four resolutions, equally often, with thresholds that hold the rate for all of them together
(one threshold), or for faces with alpha below ${poor} and for the others (by quality). DIR:\n\n${table(
    ["FPIR, rule", "all", ...sides.map(nameOf)],
    rows,
  )}`;
}

/** What thresholds that are estimated on the gallery alone let through. */
function onTheGallery(searches: readonly Searches[], tables: readonly ThresholdTable[]): string {
  const rows = tables.flatMap((found) => {
    const thresholdOf = (one: Seen): number => thresholdAt(found, one.alpha)?.cosine ?? Number.POSITIVE_INFINITY;
    const share = (stranger: boolean, side: Seen["side"]) => (chosen: readonly Searches[]) =>
      shareAbove(
        seenBy(chosen, stranger).filter((one) => one.side === side),
        thresholdOf,
        !stranger,
      );
    return sides.map((side) => [
      `${100 * (found.rate ?? Number.NaN)} %`,
      nameOf(side),
      percent(withInterval(searches, share(true, side))),
      percent(withInterval(searches, share(false, side))),
    ]);
  });
  return `Thresholds that \`gallery search\` estimates on the enrolled people alone:\n\n${table(
    ["asked rate", "searched faces", "strangers accepted", "DIR"],
    rows,
  )}`;
}
