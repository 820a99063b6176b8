import type { NamedCounts, Share } from "../../../api/gallery/named.ts";
import { percent } from "../../../evaluation/index.ts";
import type { DecisionCounts } from "../../../gallery/index.ts";

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
