import { type PersonCount, percent, shareIntervalOfPeople } from "../../../evaluation/index.ts";
import type { DecisionCounts } from "../../../gallery/index.ts";

/** What {@link countNamed} needs of an answer. */
interface Answer {
  readonly person: string | null;
  readonly candidates: readonly { readonly person: string }[];
}

/** A share of photos. */
export interface Share {
  readonly count: number;
  /** 95 % interval of the share, over people; null without photos. */
  readonly interval: readonly [number, number] | null;
}

/** Answers compared with the names that folders or a manifest give. */
export interface NamedCounts {
  /** Photos of people who are enrolled. */
  readonly enrolled: {
    readonly photos: number;
    /** Matches with the right person. */
    readonly right: Share;
    /** Matches with another person. */
    readonly wrong: Share;
    /** Photos whose nearest person is the right one, match or not. */
    readonly nearest: Share;
  };
  /** Photos of people who are not. */
  readonly strangers: { readonly photos: number; readonly matched: Share };
}

/**
 * Compares answers with the people who are on the photos.
 *
 * @param names who is on each photo
 * @param enrolled names of the gallery; more may be given
 */
export function countNamed(
  answers: readonly Answer[],
  names: readonly string[],
  enrolled: ReadonlySet<string>,
): NamedCounts {
  const all = answers.map((answer, at) => ({ ...answer, name: names[at] ?? "" }));
  const known = all.filter(({ name }) => enrolled.has(name));
  const others = all.filter(({ name }) => !enrolled.has(name));
  return {
    enrolled: {
      photos: known.length,
      right: shareOf(known, ({ person, name }) => person === name),
      wrong: shareOf(known, ({ person, name }) => person !== null && person !== name),
      nearest: shareOf(known, ({ candidates: [first], name }) => first?.person === name),
    },
    strangers: { photos: others.length, matched: shareOf(others, ({ person }) => person !== null) },
  };
}

/** Photos of one person are not independent: the interval counts people. */
function shareOf<T extends { readonly name: string }>(photos: readonly T[], isHit: (photo: T) => boolean): Share {
  const people = new Map<string, PersonCount>();
  for (const photo of photos) {
    const { hits = 0, cases = 0 } = people.get(photo.name) ?? {};
    people.set(photo.name, { hits: hits + Number(isHit(photo)), cases: cases + 1 });
  }
  const interval = photos.length === 0 ? null : shareIntervalOfPeople([...people.values()]);
  return { count: photos.filter(isHit).length, interval };
}

/** The counts as lines for people. */
export function printCounts({ match, unknown, unusable }: DecisionCounts, named: NamedCounts | undefined): string[] {
  const photos = `${number(match + unknown + unusable)} photos`;
  const lines = [`${photos}: ${number(match)} match, ${number(unknown)} unknown, ${number(unusable)} unusable`];
  if (named === undefined) return lines;
  const { enrolled, strangers } = named;
  if (enrolled.photos > 0)
    lines.push(
      `people who are enrolled: ${printShare(enrolled.right, enrolled.photos)} found under their name, ${printShare(enrolled.wrong, enrolled.photos)} taken for somebody else; the nearest person is the right one for ${printShare(enrolled.nearest, enrolled.photos)}`,
    );
  if (strangers.photos > 0)
    lines.push(`people who are not: ${printShare(strangers.matched, strangers.photos)} taken for somebody`);
  return lines;
}

const number = (value: number): string => value.toLocaleString("en");

/** Hits and photos, with the share and its 95 % interval in per cent. */
function printShare({ count, interval }: Share, photos: number): string {
  const [lower = 0, upper = 1] = interval ?? [];
  return `${number(count)} of ${number(photos)} (${percent(count / photos, 1)} %, 95 % interval ${percent(lower, 1)} to ${percent(upper, 1)})`;
}
