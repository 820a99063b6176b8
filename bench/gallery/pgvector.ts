import pg from "pg";
import { rowAt } from "../skeleton/linear.ts";
import { median } from "../skeleton/statistics.ts";
import { facesEach, openDrawer, probeKinds, width } from "./data.ts";
import { type Searched, searchEach } from "./searches.ts";

export interface PgvectorJob {
  readonly kind: "pgvector index";
  readonly count: number;
  readonly probes: number;
  /** Address of a database that may be written. */
  readonly address: string;
}

/** Rows of one statement. */
const atOnce = 500;

/** Searches with pgvector: half-precision vectors in a table with a graph (HNSW). */
export async function withPgvector({ count, probes: wanted, address }: PgvectorJob): Promise<Searched> {
  const client = new pg.Client({ connectionString: address });
  await client.connect();
  await client.query("CREATE EXTENSION IF NOT EXISTS vector");
  await client.query(`CREATE TEMP TABLE faces (id integer PRIMARY KEY, unit halfvec(${width}))`);
  const begin = performance.now();
  const drawer = openDrawer();
  const asText = (row: Float32Array): string => `[${row.join(",")}]`;
  for (let start = 0; start < count; start += atOnce) {
    const rows = drawer.faces(start, Math.min(atOnce, count - start));
    const all = Array.from({ length: rows.length / width }, (_, at) => asText(rowAt(rows, width, at)));
    await client.query(
      "INSERT INTO faces SELECT $1 + place - 1, unit::halfvec FROM unnest($2::text[]) WITH ORDINALITY AS t (unit, place)",
      [start, all],
    );
  }
  await client.query("SET maintenance_work_mem = '2GB'");
  await client.query("CREATE INDEX ON faces USING hnsw (unit halfvec_ip_ops) WITH (m = 16, ef_construction = 128)");
  const opened = (performance.now() - begin) / 1000;
  await client.query("SET hnsw.ef_search = 128");
  const { rows: probes } = drawer.probes(probeKinds[0], count, wanted);
  const nearest = "SELECT id FROM faces ORDER BY unit <#> $1::halfvec LIMIT 5";
  const { times, nearest: found } = await searchEach(probes, async (row) => {
    const { rows } = await client.query<{ readonly id: number }>(nearest, [asText(row)]);
    return Math.floor((rows[0]?.id ?? -1) / facesEach);
  });
  await client.end();
  return { opened, milliseconds: median(times), found };
}
