import { percent, shareInterval } from "../../../evaluation/index.ts";
import type { DecisionCounts } from "../../../gallery/index.ts";

/** What {@link countNamed} needs of an answer. */
interface Answer {
  readonly person: string | null;
  readonly candidates: readonly { readonly person: string }[];
}

/** Answers compared with the names that folders or a manifest give. */
export interface NamedCounts {
  /** Photos of people who are enrolled. */
  readonly enrolled: {
    readonly photos: number;
    /** Matches with the right person. */
    readonly right: number;
    /** Matches with another person. */
    readonly wrong: number;
    /** Photos whose nearest person is the right one, match or not. */
    readonly nearest: number;
  };
  /** Photos of people who are not. */
  readonly strangers: { readonly photos: number; readonly matched: number };
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
      right: known.filter(({ person, name }) => person === name).length,
      wrong: known.filter(({ person, name }) => person !== null && person !== name).length,
      nearest: known.filter(({ candidates: [first], name }) => first?.person === name).length,
    },
    strangers: { photos: others.length, matched: others.filter(({ person }) => person !== null).length },
  };
}

/** The counts as lines for people. */
export function printCounts({ match, unknown, unusable }: DecisionCounts, named: NamedCounts | undefined): string[] {
  const photos = `${number(match + unknown + unusable)} photos`;
  const lines = [`${photos}: ${number(match)} match, ${number(unknown)} unknown, ${number(unusable)} unusable`];
  if (named === undefined) return lines;
  const { enrolled, strangers } = named;
  if (enrolled.photos > 0)
    lines.push(
      `people who are enrolled: ${shareOf(enrolled.right, enrolled.photos)} found under their name, ${shareOf(enrolled.wrong, enrolled.photos)} taken for somebody else; the nearest person is the right one for ${shareOf(enrolled.nearest, enrolled.photos)}`,
    );
  if (strangers.photos > 0)
    lines.push(`people who are not: ${shareOf(strangers.matched, strangers.photos)} taken for somebody`);
  return lines;
}

const number = (value: number): string => value.toLocaleString("en");

/** Hits and cases, with the share and its 95 % interval in per cent. */
function shareOf(hits: number, cases: number): string {
  const [lower, upper] = shareInterval(hits, cases);
  return `${number(hits)} of ${number(cases)} (${percent(hits / cases, 1)} %, 95 % interval ${percent(lower, 1)} to ${percent(upper, 1)})`;
}
