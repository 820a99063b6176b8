import type { BothResults } from "../../../api/evaluate/measure-models.ts";
import {
  type EvaluationResult,
  type NamedProtocol,
  type NamedResult,
  percent,
  printIdentical,
  printIntervals,
  printQualityBins,
  printTable,
  type QualityBins,
  referenceOf,
} from "../../../evaluation/index.ts";
import { printArgument } from "../../../print-path.ts";
import { plainTable } from "../../table.ts";

/** Measures that are printed; the rest is in the report and in JSON. */
const kinds = ["accuracy", "tar", "rank1", "rank", "tpir"] as const;

/** Both results with their names, as columns of tables. */
export const columnsOf = ({ frozen, adapted }: BothResults): NamedResult[] => [
  { name: "frozen", result: frozen },
  ...(adapted ? [{ name: "adapted", result: adapted }] : []),
];

/**
 * What an evaluation says to people: what was measured, the table, and what an adapter left alone.
 */
export function evaluationSummary(
  both: BothResults,
  named: NamedProtocol | undefined,
  bins: QualityBins | undefined,
  saved: string | undefined,
): string {
  const { frozen, adapted } = both;
  const columns = columnsOf(both);
  const { identical } = adapted ?? {};
  return [
    whatWasMeasured(frozen),
    printTable(columns, { kinds }),
    ...unresolvedLine(frozen),
    ...(frozen.protocol.guessed && frozen.protocol.probes === 0
      ? ["no rank-1: the list does not name people, so a person's other faces would count as other people"]
      : []),
    ...columns.flatMap(({ name, result }) => (named === undefined ? [] : referenceLine(name, result))),
    ...(identical === undefined ? [] : [printIdentical(identical, frozen.detail.items.length)]),
    ...(adapted && saved !== undefined ? [`is the difference sure? petalface compare ${printArgument(saved)}`] : []),
    ...(bins === undefined ? [] : binsText(bins)),
  ].join("\n");
}

function whatWasMeasured({ protocol }: EvaluationResult): string {
  const { name, images, people, guessed, genuine, impostor, gallery, probes } = protocol;
  return [
    `${name}: ${images} faces of ${people} ${guessed ? "people (guessed)" : "people"}`,
    ...(genuine + impostor > 0 ? [`${genuine + impostor} pairs`] : []),
    ...(probes > 0 ? [`${probes} probes, a gallery of ${gallery}`] : []),
  ]
    .join(", ")
    .concat(`; ${printIntervals(protocol)}`);
}

/** The rates that no condition has enough impostors for, in one line. */
function unresolvedLine({ unresolved, measures }: EvaluationResult): string[] {
  const measured = new Set(measures.flatMap(({ far, fpir }) => [far, fpir]));
  const rates = [...new Set(unresolved.map(({ far }) => far))].filter((far) => !measured.has(far));
  if (rates.length === 0) return [];
  const most = Math.max(...unresolved.map(({ impostors }) => impostors));
  const list = rates.map((rate) => `${Number((100 * rate).toPrecision(6))}%`).join(", ");
  return [`rates of ${list} cannot be measured: there are at most ${most.toLocaleString("en")} impostors`];
}

/** What the evaluators of the field print for pairs as given. */
function referenceLine(name: string, result: EvaluationResult): string[] {
  const found = referenceOf(result);
  if (found === undefined) return [];
  const { accuracy, accuracyDeviation, tar } = found;
  return [
    `${name} by the reference's rules (thresholds of a grid, deviation over folds): accuracy ${percent(accuracy)} ± ${percent(accuracyDeviation)} %, TAR at FAR 0.1 %: ${percent(tar)} %`,
  ];
}

function binsText(bins: QualityBins): string[] {
  const { title, legend, bins: rows, rejects } = printQualityBins(bins);
  return [
    ...["", title, plainTable(rows), legend, ""],
    ...["errors against rejects: genuine pairs missed at 1 % false accepts", plainTable(rejects)],
  ];
}
