import { type Command, Option } from "commander";
import { csvLine } from "../api/embed/files.ts";
import {
  type Comparison,
  type Difference,
  listMeasures,
  type Measure,
  measureLabel,
  type NamedResult,
  percent,
  verdictWords,
} from "../evaluation/index.ts";

/** How numbers are printed. */
export const formats = ["table", "json", "csv", "md", "latex"] as const;
export type Format = (typeof formats)[number];

/** Adds `--format`. */
export function withFormatOption(command: Command): Command {
  return command.addOption(new Option("--format <name>", "how to print the numbers").choices(formats).default("table"));
}

/** The text of a result in the format that was asked for. */
export function printAs(
  format: Format,
  document: unknown,
  table: string,
  pasted: (format: "csv" | "md" | "latex") => string,
): string {
  if (format === "table") return table;
  return format === "json" ? JSON.stringify(document, undefined, 2) : pasted(format);
}

/** Every kind of measure, in the order of tables. */
export const allKinds: readonly Measure["kind"][] = ["accuracy", "tar", "rank1", "rank", "tpir", "auc", "eer"];

/** A table in the three formats that people paste: rows of cells under a head. */
function render(format: "csv" | "md" | "latex", head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (format === "csv") return [head, ...rows].map(csvLine).join("").trimEnd();
  if (format === "md") {
    const line = (cells: readonly string[]): string =>
      `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll(/[\r\n]+/g, " ")).join(" | ")} |`;
    return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
  }
  const line = (cells: readonly string[]): string => `${cells.map(latexText).join(" & ")} \\\\`;
  return [
    `\\begin{tabular}{l${"r".repeat(head.length - 1)}}`,
    "\\hline",
    line(head),
    "\\hline",
    ...rows.map(line),
    "\\hline",
    "\\end{tabular}",
  ].join("\n");
}

const latexSigns: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "±": "$\\pm$",
  "−": "$-$",
  "<": "$<$",
  ">": "$>$",
};

/** Text with LaTeX's special characters escaped. */
function latexText(text: string): string {
  return text
    .replaceAll(/[\p{Cc}]+/gu, " ")
    .replaceAll(/[\\~^±−<>]|[&%$#_{}]/g, (sign) => latexSigns[sign] ?? `\\${sign}`);
}

/**
 * All measures of several models. `csv` has a line a measure and model with every digit, the others
 * a line a measure, in per cent with half the width of the 95 % interval.
 */
export function formatMeasures(format: "csv" | "md" | "latex", results: readonly NamedResult[]): string {
  const rows = listMeasures(results, allKinds);
  if (format === "csv")
    return render(
      format,
      ["measure", "model", "value", "low", "high", "standard_error", "count"],
      rows.flatMap(({ name, measures }) =>
        measures.flatMap((m, place) =>
          m === undefined
            ? []
            : [[name.key, results[place]?.name ?? "", m.value, m.low, m.high, m.standardError, m.count].map(String)],
        ),
      ),
    );
  return render(
    format,
    ["%", ...results.map(({ name }) => name)],
    rows.map(({ name, measures }) => [
      measureLabel(name),
      ...measures.map((m) => (m === undefined ? "-" : `${percent(m.value)} ± ${percent((m.high - m.low) / 2)}`)),
    ]),
  );
}

/** `+1.23`, `0.00`, `-0.40`. */
export const signed = (share: number): string => (share > 0 ? `+${percent(share)}` : percent(share));

/** `< 0.001`, `0.031`. */
export const pCell = (p: number): string => (p < 0.001 ? "< 0.001" : p.toFixed(3));

/**
 * How many people it would take to see a difference that is not significant; `-` where that is no
 * question.
 */
export function peopleCell(difference: Difference): string {
  if (verdictWords(difference) !== "no significant difference") return "-";
  return difference.peopleNeeded === null ? "no number" : `${Number(difference.peopleNeeded.toPrecision(2))}`;
}

/** Differences from a baseline, all of them. */
export function formatComparisons(
  format: "csv" | "md" | "latex",
  comparisons: readonly { readonly name: string; readonly against: string; readonly comparison: Comparison }[],
): string {
  if (format === "csv")
    return render(
      format,
      [
        "measure",
        "model",
        "against",
        "difference",
        "low",
        "high",
        "standard_error",
        "p",
        "p_holm",
        "verdict",
        "people_needed",
        "people",
      ],
      comparisons.flatMap(({ name, against, comparison }) =>
        comparison.differences.map((d) =>
          [
            d.key,
            name,
            against,
            d.value,
            d.low,
            d.high,
            d.standardError,
            d.p,
            d.corrected,
            verdictWords(d),
            d.peopleNeeded ?? "",
            comparison.people,
          ].map(String),
        ),
      ),
    );
  return render(
    format,
    ["points", "model", "difference", "95 % interval", "p (Holm)", "verdict", "people needed"],
    comparisons.flatMap(({ name, comparison }) =>
      comparison.differences.map((d) => [
        measureLabel(d),
        name,
        signed(d.value),
        `${signed(d.low)} to ${signed(d.high)}`,
        pCell(d.corrected),
        verdictWords(d),
        peopleCell(d),
      ]),
    ),
  );
}
