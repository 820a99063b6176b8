import { linesOf } from "../lines.ts";

/** A row of a table in a dump: its columns by name, null where there is no value. */
export interface DumpRow {
  readonly table: string;
  readonly values: ReadonlyMap<string, string | null>;
}

/** What a backslash and a letter stand for (PostgreSQL's manual, COPY, "Text Format"). */
const escapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

/** A value of COPY's text format; null for its `\N`. */
export function copyValue(text: string): string | null {
  if (text === "\\N") return null;
  if (!text.includes("\\")) return text;
  return text.replace(/\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|[\s\S])/g, (_, code: string) => {
    if (/^x[0-9A-Fa-f]/.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    return escapes[code] ?? code;
  });
}

const copyStart = /^COPY (?:"?\w+"?\.)?"?(\w+)"? \((.*)\) FROM stdin;\r?$/;

/**
 * Rows of some tables of a plain dump (`pg_dump` without `--format` and `--inserts`), in the order
 * of the file.
 *
 * @param tables their names; rows of others are passed over
 */
export async function* dumpRows(file: string, tables: ReadonlySet<string>): AsyncGenerator<DumpRow> {
  let table: string | undefined;
  let columns: string[] = [];
  for await (const line of linesOf(file)) {
    if (table === undefined) {
      const [, name, list = ""] = copyStart.exec(line) ?? [];
      table = name;
      columns = list.split(",").map((column) => column.trim().replaceAll('"', ""));
    } else if (line === "\\." || line === "\\.\r") table = undefined;
    else if (tables.has(table)) {
      const cells = line.split("\t");
      yield { table, values: new Map(columns.map((column, at) => [column, copyValue(cells[at] ?? "\\N")])) };
    }
  }
}
