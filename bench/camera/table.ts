import { percent } from "petalface/evaluation";
import type { CopyWeight } from "petalface/matching";
import { plusMinus } from "../skeleton/intervals.ts";
import { table, whole } from "../skeleton/page.ts";
import type { Found } from "./measure.ts";
import { kinds, people, plainSides, probePhotos } from "./plan.ts";
import type { Shown } from "./probes.ts";

/** Weights of enrolled copies that are measured; 0 is the plain gallery. */
export const weights: readonly CopyWeight[] = [0, 0.25, 0.5, 1, "alpha"];

/** One model on one set of probes. */
export interface Measured {
  readonly found: ReadonlyMap<CopyWeight, Found>;
  /** Shares of the probes with alpha above 0.5, and below 1. */
  readonly alpha: { readonly above: number; readonly below: number };
  /** Mean cosine to the frozen embedding of the same photo, sharp. */
  readonly cosine: number;
}

/** A model's row. */
export interface Row {
  readonly model: string;
  readonly name: string;
  /** Training images seen; undefined for the frozen model. */
  readonly images?: number;
  readonly by: ReadonlyMap<string, Measured>;
}

const about = (shown: Shown, tune: boolean): string => `${
  tune
    ? `For choices. ${shown.people.length} people of LFW's fold 6 who are shown on no other page. Each probe is made of the
enrolled photo itself, so rates are higher than those of other photos.`
    : `${people} people of LFW's folds 1, 2, 3 and 6, none of them trained on. One photo of each is enrolled,
and ${probePhotos.length} others are probes.`
} \`bench/camera/chain.py\` made the probes with OpenCV and
ffmpeg, without petalface's code: \`still\` are 12 to 20 px JPEGs; \`phone\`, \`cctv\` and \`night\`
are 10 to 32 px, found and aligned again at low resolution. ${plainSides.join(", ")} are the same photos, shrunk.
Values are per cent; ± is half the 95 % interval (bootstrap over people). w is the weight of the
enrolled copies of 16 and 12 px (docs/copies.md); alpha: 1 - alpha of the probe. _centred_: on the
same camera's crops of other people (docs/training.md), so each column is another adapter. One seed.`;

const columns = [...kinds, ...plainSides.map(String), "sharp"];

/** The body of the page. */
export function renderCameras(rows: readonly Row[], shown: Shown, tune: boolean): string {
  const titled = (row: Row): string[] => [row.model, row.name, row.images === undefined ? "-" : whole(row.images)];
  const rates = (pick: (found: Found) => Found["rank1"]) =>
    rows.flatMap((row) =>
      weights.map((weight) => [
        ...titled(row),
        String(weight),
        ...columns.map((column) => {
          const found = row.by.get(column)?.found.get(weight);
          return found === undefined ? "-" : plusMinus(pick(found));
        }),
      ]),
    );
  const head = ["model", "method", "images", "w", ...columns];
  const alphas = rows.map((row) => [
    ...titled(row),
    ...columns.map((column) => {
      const measured = row.by.get(column);
      if (measured === undefined) return "-";
      return column === "sharp" ? `${percent(measured.alpha.below, 1)} < 1` : percent(measured.alpha.above, 1);
    }),
  ]);
  const cosines = rows.map((row) => [
    ...titled(row),
    ...columns.map((column) => row.by.get(column)?.cosine.toFixed(4) ?? "-"),
  ]);
  const short = head.filter((name) => name !== "w");
  return [
    about(shown, tune),
    `## Rank-1\n\n${table(
      head,
      rates(({ rank1 }) => rank1),
    )}`,
    `## True accepts at 1 % false accepts\n\n${table(
      head,
      rates(({ tar }) => tar),
    )}`,
    `## Probes judged sharp\n\nShare of the probes with alpha above 0.5; in the last column, of sharp photos with alpha below 1.\n\n${table(short, alphas)}`,
    `## Cosine to the same photo, sharp and frozen\n\n${table(short, cosines)}\n`,
  ].join("\n\n");
}
