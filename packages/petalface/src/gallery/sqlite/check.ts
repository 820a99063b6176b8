import type { DatabaseSync } from "node:sqlite";
import { type EmbeddingRow, readEmbedding } from "../rows.ts";
import { checkBlocks } from "./blocks.ts";
import { guard } from "./driver.ts";
import { checkIndex } from "./nearest.ts";
import { activeModel, type Statements } from "./statements.ts";

/** Damaged embeddings that are named one by one. */
const named = 20;

/** Looks at every page, every reference and every embedding. Returns one line a problem. */
export function checkGallery(path: string, database: DatabaseSync, sql: Statements): string[] {
  const problems = problemsOf(path, database, "integrity_check");
  const model = activeModel(path, sql);
  const { width } = model.record.space;
  const orphans = sql.all("PRAGMA foreign_key_check").length;
  if (orphans > 0) problems.push(`${orphans} rows belong to nothing`);
  const count = (text: string): number => sql.get<{ readonly count: number }>(text)?.count ?? 0;
  const missing = count(
    `SELECT count(*) AS count FROM faces WHERE NOT EXISTS
      (SELECT 1 FROM embeddings JOIN models ON models.id = model WHERE face = faces.id AND active = 1)`,
  );
  if (missing > 0) problems.push(`${missing} faces have no embedding`);
  const empty = count("SELECT count(*) AS count FROM people WHERE id NOT IN (SELECT person FROM faces)");
  if (empty > 0) problems.push(`${empty} people have no face`);
  let damaged = 0;
  const rows = sql.each<EmbeddingRow>(
    `SELECT face, alpha, score, crc, vector, copies FROM embeddings
     JOIN models ON models.id = model WHERE active = 1`,
  );
  for (const row of rows)
    try {
      readEmbedding(path, row, width);
    } catch {
      damaged++;
      if (damaged <= named) problems.push(`the embedding of face ${row.face} is not what was written`);
    }
  if (damaged > named) problems.push(`${damaged - named} more embeddings are not what was written`);
  return [...problems, ...checkBlocks(path, sql, model), ...checkIndex(path, sql)];
}

/** What SQLite's own check says, but that all is well. */
export const problemsOf = (path: string, database: DatabaseSync, check: string): string[] =>
  guard(path, () => database.prepare(`PRAGMA ${check}`).all())
    .flatMap((row) => String(Object.values(row)[0]).split("\n"))
    .filter((line) => line !== "ok" && !line.startsWith("***"));
