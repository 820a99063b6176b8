import { decide, estimateThresholds, type FaceEmbedding, joinTrack } from "petalface/gallery";
import { shareInterval } from "petalface/matching";
import { withEnds } from "../skeleton/intervals.ts";
import { table } from "../skeleton/page.ts";
import type { Describing } from "./describe.ts";
import type { Person } from "./faces.ts";
import { enrolFirst, openPeople } from "./search.ts";
import { frameOf } from "./tracks.ts";

/** Frames of a track. */
const frames = 3;
const sides = [undefined, 16, 12] as const;
/** Rates from which on an operator could accept. */
const accepted = [0.3, 0.1, 0.05, 0.02] as const;

/**
 * Whether strangers are accepted as often as the rate of their decision says: each is searched for
 * once, by a track of one photo.
 */
export async function rateTable(
  model: Describing,
  people: readonly Person[],
  strangers: readonly Person[],
  copies: readonly number[],
): Promise<string> {
  const gallery = await enrolFirst(model, people, copies);
  await using searcher = openPeople(gallery, "mean");
  const chosen = await estimateThresholds(gallery, searcher, 0.01);
  if (chosen === undefined) throw new Error("nothing was estimated");
  const rows: string[][] = [];
  for (const side of sides) {
    const each = side === undefined ? 1 : frames;
    const views = strangers.flatMap(({ photos }) =>
      Array.from({ length: each }, (_, draw) => ({
        photo: photos[0],
        ...(side !== undefined && { degrade: frameOf(side), draw }),
      })),
    );
    const seen = await model.describe(views, []);
    const rates: number[] = [];
    for (const at of strangers.keys()) rates.push(await rateOf(seen.slice(at * each, (at + 1) * each)));
    const cells = accepted.map((rate) => {
      const hits = rates.filter((own) => own <= rate).length;
      const [low, high] = shareInterval(hits, rates.length);
      return withEnds({ value: hits / rates.length, low, high });
    });
    rows.push([side === undefined ? "sharp, 1 photo" : `${side} px, ${frames} frames of a photo`, ...cells]);
  }
  async function rateOf(own: readonly FaceEmbedding[]): Promise<number> {
    const { unit, alpha } = await joinTrack(own);
    const [found = []] = await searcher.search({ rows: unit, alpha: [alpha] }, 2);
    const rules = { thresholds: chosen?.table ?? { rows: [] }, margin: 0, lowestAlpha: 0 };
    const hasCopies = copies.length > 0;
    const { falseAcceptRate } = decide(alpha, found, { ...rules, people: searcher.people, hasCopies });
    return falseAcceptRate?.rate ?? Number.NaN;
  }
  return `${strangers.length} strangers, one search each; the rates were measured on the ${chosen.faces} enrolled faces alone.

${table(["of strangers are accepted, in per cent, from a false-accept rate of", ...accepted.map((rate) => `${100 * rate} %`)], rows)}`;
}
