import { type EvaluationResult, measureKey, percent } from "petalface/evaluation";
import type { CopyWeight } from "petalface/matching";
import { testPixels } from "../faces/plan.ts";
import { measureIn } from "../faces/table.ts";
import { plusMinus } from "../skeleton/intervals.ts";
import { table } from "../skeleton/page.ts";

/** A model measured with copies at one weight. */
export interface Row {
  readonly model: string;
  readonly name: string;
  readonly weight: CopyWeight;
  readonly result: EvaluationResult;
}

/** What a reader must know to read the tables. */
const about = `Each person's first photo is enrolled as unit(f(photo) + w x sum of f(copy)), every f at unit length; a copy is the photo shrunk to k x k pixels by area
and enlarged back. w = 0 is the plain gallery; alpha: w = 1 - alpha of the probe (of the frozen model: by the calibration of photos, docs/quality.md).
Columns: rank-1 of sharp and of 16, 12 and 8 px probes; accuracy and true accepts at 0.1 % false accepts of pairs of an enrolled and a probe face,
each side in turn; and the cosine that 1 % of the impostor pairs exceed, which is what a threshold has to follow. In per cent; ± is half the
95 % interval (bootstrap over people). One seed.`;

const named = (where: string): { readonly kind: "named"; readonly name: string } => ({
  kind: "named",
  name: `${where}, copies`,
});

/** A measure of the conditions with copies. */
function cell({ result }: Row, kind: "rank1" | "accuracy" | "tar", where: string, interval = false): string {
  const key = measureKey(kind, named(where), kind === "tar" ? { far: 0.001 } : {});
  const found = measureIn(result, key);
  if (found === undefined) return "-";
  return interval ? plusMinus(found) : percent(found.value, 1);
}

/** The cosine that a share of the impostor pairs of a condition exceeds. */
function impostorCosine({ result }: Row, where: string, share: number): string {
  const outcome = result.detail.outcomes.find(
    ({ kind, condition }) =>
      kind === "verification" && condition.kind === "named" && condition.name === `${where}, copies`,
  );
  if (outcome?.kind !== "verification") return "-";
  const impostors = outcome.scores.filter((_, pair) => outcome.same[pair] === 0).sort();
  return impostors[Math.floor(impostors.length * (1 - share))].toFixed(3);
}

/** A table for each model and contender, a line for each weight. */
export function renderCopies(rows: readonly Row[]): string {
  const groups = [...new Set(rows.map(({ model, name }) => `${model}, ${name}`))];
  const mixed = testPixels.map((side) => `mixed ${side}`);
  const head = [
    "w",
    "rank-1 sharp",
    ...testPixels.map((side) => `rank-1 ${side}`),
    ...mixed,
    "TAR sharp",
    ...mixed.map((name) => `TAR ${name}`),
    "cosine at 1 % sharp",
    ...mixed.map((name) => `cosine ${name}`),
  ];
  const sections = groups.map((group) => {
    const own = rows.filter(({ model, name }) => `${model}, ${name}` === group);
    const { protocol } = own[0].result;
    const lines = own.map((row) => [
      String(row.weight),
      cell(row, "rank1", "as given", true),
      ...testPixels.map((side) => cell(row, "rank1", String(side), true)),
      ...mixed.map((where) => cell(row, "accuracy", where)),
      cell(row, "tar", "as given"),
      ...mixed.map((where) => cell(row, "tar", where)),
      ...["as given", ...mixed].map((where) => impostorCosine(row, where, 0.01)),
    ]);
    return `## ${group}\n\n${protocol.probes} probes, a gallery of ${protocol.gallery}.\n\n${table(head, lines)}`;
  });
  return [about, ...sections].join("\n\n");
}
