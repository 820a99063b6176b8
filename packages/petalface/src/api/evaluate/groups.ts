import { extname } from "node:path";
import { csvRows, nameKey, textLines } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { Grouping } from "../../evaluation/index.ts";
import { printPath } from "../../images/index.ts";

/** More groups than this make no table. */
const mostGroups = 12;

/**
 * The column `group` of a manifest (CSV or JSONL), person by person; undefined where the data is
 * not a manifest or has no such column.
 *
 * @param people names of the protocol's people
 * @throws PetalfaceError if one person is put into two groups, or there are more than 12
 */
export async function readGroups(spec: string, people: readonly string[]): Promise<Grouping | undefined> {
  const ending = extname(spec).toLowerCase();
  if (![".csv", ".jsonl", ".ndjson"].includes(ending)) return undefined;
  const groupOf = new Map<string, string>();
  for await (const line of linesOf(spec, ending)) {
    const { person, group } = line as { readonly person?: unknown; readonly group?: unknown };
    if (person === undefined || group === undefined || group === null || group === "") continue;
    const known = groupOf.get(nameKey(String(person)));
    if (known !== undefined && known !== String(group))
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${spec}: ${JSON.stringify(String(person))} is in the groups ${JSON.stringify(known)} and ${JSON.stringify(String(group))}; give each person one`,
      );
    groupOf.set(nameKey(String(person)), String(group));
  }
  const names = [...new Set(people.flatMap((person) => groupOf.get(nameKey(person)) ?? []))].sort();
  if (names.length === 0) return undefined;
  if (names.length > mostGroups)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${spec}: column group has ${names.length} values; at most ${mostGroups} can be shown`,
    );
  return { names, of: Int32Array.from(people, (person) => names.indexOf(groupOf.get(nameKey(person)) ?? "")) };
}

/** The data has been opened before, so that its lines are known to be well-formed. */
async function* linesOf(spec: string, ending: string): AsyncGenerator<unknown> {
  const wrong = (line: number, what: string): PetalfaceError =>
    new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(spec)}, line ${line}: ${what}`);
  if (ending === ".csv") for await (const { record } of csvRows(spec, wrong)) yield record;
  else for await (const line of textLines(spec, wrong)) if (line.trim() !== "") yield JSON.parse(line);
}
