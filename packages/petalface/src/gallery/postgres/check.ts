import { checkBlocks } from "./blocks.ts";
import type { Database } from "./database.ts";
import { activeModel, readRange, readRow } from "./rows.ts";

/** Damaged embeddings that are named one by one. */
const named = 20;
/** Rows that are fetched at once. */
const atOnce = 1000;

/**
 * Looks at every embedding and every block of one state of the gallery. Returns one line a problem.
 */
export const checkGallery = (database: Database): Promise<string[]> =>
  database.transaction("snapshot", async (sql) => {
    const { shown } = database;
    const model = await activeModel(shown, sql);
    const problems: string[] = [];
    const count = async (text: string, values: readonly unknown[] = []): Promise<number> =>
      (await sql.query<{ readonly count: number }>(text, values))[0]?.count ?? 0;
    const missing = await count(
      `SELECT count(*)::integer AS count FROM faces
       WHERE NOT EXISTS (SELECT 1 FROM embeddings WHERE face = faces.id AND model = $1)`,
      [model.id],
    );
    if (missing > 0) problems.push(`${missing} faces have no embedding`);
    const empty = await count(
      "SELECT count(*)::integer AS count FROM people WHERE NOT EXISTS (SELECT 1 FROM faces WHERE person = people.id)",
    );
    if (empty > 0) problems.push(`${empty} people have no face`);
    let damaged = 0;
    for (let last = -1; ; ) {
      const rows = await readRange(sql, model.id, last, atOnce);
      for (const row of rows) {
        last = row.face;
        try {
          readRow(shown, row, model.record.space.width);
        } catch {
          damaged++;
          if (damaged <= named) problems.push(`the embedding of face ${row.face} is not what was written`);
        }
      }
      if (rows.length === 0) break;
    }
    if (damaged > named) problems.push(`${damaged - named} more embeddings are not what was written`);
    return [...problems, ...(await checkBlocks(shown, sql, model))];
  });
