import { createReadStream } from "node:fs";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { parse } from "csv-parse";
import { PetalfaceError } from "../errors.ts";
import type { Grouping } from "../evaluation/index.ts";

/** More groups than this make no table. */
const mostGroups = 12;

/**
 * The column `group` of a manifest (CSV or JSONL), person by person; undefined where the data is no manifest or has no such column.
 *
 * @param people names of the protocol's people
 * @throws PetalfaceError if one person is put into two groups, or there are more than 12
 */
export async function readGroups(spec: string, people: readonly string[]): Promise<Grouping | undefined> {
  const lines = linesOf(spec);
  if (lines === undefined) return undefined;
  const groupOf = new Map<string, string>();
  for await (const line of lines) {
    const { person, group } = line as { readonly person?: unknown; readonly group?: unknown };
    if (person === undefined || group === undefined || group === null || group === "") continue;
    const known = groupOf.get(String(person));
    if (known !== undefined && known !== String(group))
      throw new PetalfaceError(
        `${spec}: ${JSON.stringify(String(person))} is in the groups ${JSON.stringify(known)} and ${JSON.stringify(String(group))}; give each person one`,
      );
    groupOf.set(String(person), String(group));
  }
  const names = [...new Set(people.flatMap((person) => groupOf.get(person) ?? []))].sort();
  if (names.length === 0) return undefined;
  if (names.length > mostGroups)
    throw new PetalfaceError(`${spec}: column group has ${names.length} values; at most ${mostGroups} can be shown`);
  return { names, of: Int32Array.from(people, (person) => names.indexOf(groupOf.get(person) ?? "")) };
}

function linesOf(spec: string): AsyncIterable<unknown> | undefined {
  const ending = extname(spec).toLowerCase();
  if (ending === ".csv")
    return createReadStream(spec).pipe(parse({ columns: true, bom: true, trim: true, skip_empty_lines: true }));
  if (ending === ".jsonl" || ending === ".ndjson") return jsonLines(spec);
  return undefined;
}

/** The data has been opened before, so every line is known to be JSON. */
async function* jsonLines(spec: string): AsyncGenerator<unknown> {
  for await (const line of createInterface({ input: createReadStream(spec), crlfDelay: Number.POSITIVE_INFINITY }))
    if (line.trim() !== "") yield JSON.parse(line);
}
