import { type PersonCount, shareIntervalOfPeople } from "../../matching/index.ts";

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
