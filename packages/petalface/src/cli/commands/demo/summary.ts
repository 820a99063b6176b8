import { demoPixels } from "../../../api/demo/plan.ts";
import type { DemoOutcome } from "../../../api/demo/run.ts";
import {
  compareResults,
  degradationLabel,
  givenFaces,
  type NamedResult,
  percent,
  printIdentical,
  printTable,
} from "../../../evaluation/index.ts";
import { formatDuration } from "../../progress.ts";

/** The main result: table, what it says in one sentence, and where the files are. */
export function mainSummary({ results, exported, faces }: DemoOutcome, report: string): string {
  const [frozen, petal] = results;
  const { differences, identical } = compareResults(frozen.result, petal.result);
  return [
    `${faces.train.spec}: trained on ${faces.train.people.length} people, measured on ${faces.protocol.people} others; per cent ± half the 95 % interval`,
    demoTable([frozen, petal]),
    `copies: the gallery enrolled with ${demoPixels.join(" and ")} px copies of each photo, as petalface embed --copies does (docs/copies.md)`,
    sentence(frozen, petal),
    `petal - frozen: ${differences
      .filter(({ kind, condition }) => kind === "accuracy" && condition.kind !== "lr" && condition.kind !== "named")
      .map(({ condition, value, low, high }) => {
        const where = "degradation" in condition ? `mixed ${degradationLabel(condition.degradation)}` : "as given";
        return `${where} ${signed(value)} [${signed(low)}, ${signed(high)}]`;
      })
      .join(", ")}`,
    printIdentical(identical, faces.protocol.items.length),
    `report: ${report}`,
    `model to deploy: ${exported.path} (checked against the adapted model: largest difference ${exported.difference.toExponential(1)})`,
  ].join("\n");
}

/** All measures; of those with copies enrolled the searches only, which copies are for. */
const demoTable = (results: readonly NamedResult[]): string =>
  printTable(
    results.map(({ name, result }) => ({
      name,
      result: {
        ...result,
        measures: result.measures.filter(({ kind, condition }) => kind === "rank1" || condition.kind !== "named"),
      },
    })),
  );

/** What the table says about the smallest faces that were measured. */
function sentence(...[frozen, petal]: [DemoOutcome["results"][0], DemoOutcome["results"][1]]): string {
  const side = Math.min(...demoPixels);
  const share = ({ result }: typeof frozen): string => {
    const found = result.measures.find(
      ({ kind, condition }) =>
        kind === "accuracy" && condition.kind === "mixed" && condition.degradation === `lr:${side}`,
    );
    return found === undefined ? "-" : percent(found.value, 1);
  };
  return `of pairs of ${givenFaces(frozen.result)} and ones of ${side} px, the adapted model classifies ${share(petal)} % correctly, the frozen one ${share(frozen)} %`;
}

/** The comparison with the other methods, and what was left out of it. */
export function comparisonSummary({ results, leftOut, methodSeconds }: DemoOutcome, next: string): string {
  const lines = results.length > 2 ? [demoTable(results)] : [];
  if (leftOut.length > 0)
    lines.push(
      `${leftOut.length} ${leftOut.length === 1 ? "method was" : "methods were"} left out for time: ${leftOut.join(", ")} (one takes about ${formatDuration(methodSeconds)} here); --all compares everything`,
    );
  return [...lines, next].join("\n");
}

const signed = (value: number): string => `${value >= 0 ? "+" : ""}${percent(value, 1)}`;
