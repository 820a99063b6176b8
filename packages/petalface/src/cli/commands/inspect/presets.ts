import type { PresetDifferences } from "../../../api/inspect/presets.ts";
import { plainTable } from "../../table.ts";

/** Where presets, and a run if there is one, differ, as a table. */
export function printDifferences(differences: PresetDifferences): string {
  const [first = {}] = Object.values(differences);
  const columns = Object.keys(first);
  const show = (value: unknown): string =>
    value === null || value === "" ? "-" : Array.isArray(value) ? value.join() || "-" : String(value);
  const rows = Object.entries(differences).map(([name, values]) => [
    name,
    ...columns.map((column) => show(values[column])),
  ]);
  return plainTable([["OPTION", ...columns.map((column) => column.toUpperCase())], ...rows]);
}
