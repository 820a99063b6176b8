import type { ShownThresholds } from "../../../gallery/index.ts";

/** One line on thresholds and where they come from. */
export function describeThresholds({ kind, table, faces, smallestRate = 0, note }: ShownThresholds): string {
  const rows = table.rows.map(
    ({ alpha: [from, to], cosine }) =>
      `${cosine === null ? "none" : cosine.toFixed(3)}${from === 0 && to === 1 ? "" : ` for alpha ${from === to ? to : `${from} to ${to}`}`}`,
  );
  const { measured } = table;
  const found =
    measured === undefined ? "" : `, measured on ${measured.data} for a false-accept rate of ${measured.far}`;
  const source = {
    given: `as given${found}`,
    stored: `stored in the gallery${found}`,
    estimated: `estimated on ${faces} enrolled faces for a false-positive rate of ${table.rate}`,
  }[kind];
  const few =
    kind === "estimated" && smallestRate > (table.rate ?? 1)
      ? `; so few faces can only show ${smallestRate.toPrecision(2)}, so their highest cosine counts`
      : "";
  return `thresholds: ${rows.join(", ")} (${source}${few})${note === undefined ? "" : `; ${note}`}`;
}
