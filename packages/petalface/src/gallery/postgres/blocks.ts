import { blockSum, joinBlocks, type KeptBlock, openBlock } from "../blocks.ts";
import { blockFaces, codeFaces, emptyCodes, placeCodes, storeBlock, withoutFaces, withPeople } from "../codes.ts";
import type { SharedMemory } from "../scan/wasm.ts";
import type { FaceCodes } from "../types.ts";
import type { Queries } from "./database.ts";
import { activeModel, collectRows, readRange, readVectors, type StoredModel, signed } from "./rows.ts";

type BlockRow = KeptBlock & { readonly id: number; readonly first: number };

const columns = "id, first, count, crc, sharp, copies";

const opened = (shown: string, row: BlockRow, width: number): FaceCodes =>
  openBlock(shown, { ...row, crc: row.crc >>> 0 }, width);

/** Ids of faces above this are in no block. */
async function lastOf(sql: Queries): Promise<number> {
  const [found] = await sql.query<{ readonly last: number | null }>("SELECT max(last) AS last FROM blocks");
  return found?.last ?? 0;
}

/** Makes blocks of faces that are in none, oldest first, while there are enough for two. */
export async function fillBlocks(shown: string, sql: Queries, model: StoredModel): Promise<void> {
  for (;;) {
    const last = await lastOf(sql);
    const [rest] = await sql.query<{ readonly count: number }>(
      "SELECT count(*)::integer AS count FROM embeddings WHERE model = $1 AND face > $2",
      [model.id, last],
    );
    if ((rest?.count ?? 0) < 2 * blockFaces) return;
    const rows = await readRange(sql, model.id, last, blockFaces);
    await writeBlock(sql, codeFaces(collectRows(shown, rows, model.record.space.width)));
  }
}

async function writeBlock(sql: Queries, codes: FaceCodes, id?: number): Promise<void> {
  const block = storeBlock(codes);
  const values = [
    ...[codes.faces[0] ?? 0, codes.faces.at(-1) ?? 0, block.count],
    ...[signed(blockSum(block)), block.sharp, block.copies],
  ];
  if (id === undefined)
    await sql.query(
      "INSERT INTO blocks (first, last, count, crc, sharp, copies) VALUES ($1, $2, $3, $4, $5, $6)",
      values,
    );
  else
    await sql.query(
      "UPDATE blocks SET first = $1, last = $2, count = $3, crc = $4, sharp = $5, copies = $6 WHERE id = $7",
      [...values, id],
    );
}

/** Writes all blocks again, from the embeddings. */
export async function renewBlocks(shown: string, sql: Queries, model: StoredModel): Promise<void> {
  await sql.query("DELETE FROM blocks");
  await fillBlocks(shown, sql, model);
}

async function changeBlocks(
  shown: string,
  sql: Queries,
  { record }: StoredModel,
  faces: readonly number[],
  change: (codes: FaceCodes) => FaceCodes,
): Promise<void> {
  const rows = await sql.query<{ readonly id: number }>(
    "SELECT DISTINCT blocks.id FROM blocks JOIN unnest($1::integer[]) AS face ON face BETWEEN first AND last",
    [faces],
  );
  for (const { id } of rows) {
    const [row] = await sql.query<BlockRow>(`SELECT ${columns} FROM blocks WHERE id = $1`, [id]);
    if (row === undefined) continue;
    const codes = change(opened(shown, row, record.space.width));
    if (codes.count === 0) await sql.query("DELETE FROM blocks WHERE id = $1", [id]);
    else await writeBlock(sql, codes, id);
  }
}

/** Takes faces out of their blocks. */
export async function dropFromBlocks(
  shown: string,
  sql: Queries,
  model: StoredModel,
  faces: readonly number[],
): Promise<void> {
  const gone = new Set(faces);
  await changeBlocks(shown, sql, model, faces, (codes) => withoutFaces(codes, gone));
}

/** Gives faces in blocks to another person. */
export async function giveInBlocks(
  shown: string,
  sql: Queries,
  model: StoredModel,
  faces: readonly number[],
  person: number,
): Promise<void> {
  const given = new Set(faces);
  await changeBlocks(shown, sql, model, faces, (codes) => withPeople(codes, given, person));
}

/** All blocks, one at a time. */
async function* eachBlock(sql: Queries): AsyncGenerator<BlockRow> {
  for (let after = -1; ; ) {
    const [row] = await sql.query<BlockRow>(`SELECT ${columns} FROM blocks WHERE first > $1 ORDER BY first LIMIT 1`, [
      after,
    ]);
    if (row === undefined) return;
    yield row;
    after = row.first;
  }
}

/** All faces in 8 bits; within a snapshot. */
export async function readCodes(shown: string, sql: Queries, memory?: SharedMemory): Promise<FaceCodes> {
  const model = await activeModel(shown, sql);
  const [about] = await sql.query<{ readonly count: number; readonly copies: boolean }>(
    `SELECT coalesce(sum(count), 0)::integer AS count, coalesce(bool_or(length(copies) > 0), false) AS copies
     FROM blocks`,
  );
  const known = { count: about?.count ?? 0, hasCopies: about?.copies === true };
  const rest = await readVectors(shown, sql, model, await lastOf(sql));
  const joiner = joinBlocks(shown, model.record.space.width, known, [codeFaces(rest)], memory);
  for await (const row of eachBlock(sql)) joiner.put({ ...row, crc: row.crc >>> 0 });
  return joiner.finish();
}

/** Faces whose embeddings are fetched at once where many are put into 8 bits. */
const codedAtOnce = 1000;

/** All faces of a model that has no blocks, in 8 bits; within a snapshot. */
export async function codesOf(
  shown: string,
  sql: Queries,
  model: StoredModel,
  memory?: SharedMemory,
): Promise<FaceCodes> {
  const { width } = model.record.space;
  const [about] = await sql.query<{ readonly count: number; readonly copies: boolean }>(
    `SELECT count(*)::integer AS count, coalesce(bool_or(length(copies) > 0), false) AS copies
     FROM embeddings WHERE model = $1`,
    [model.id],
  );
  const out = emptyCodes(width, about?.count ?? 0, about?.copies === true, memory);
  for (let [last, at] = [-1, 0]; ; ) {
    const rows = await readRange(sql, model.id, last, codedAtOnce);
    const end = rows.at(-1);
    if (end === undefined) return out;
    placeCodes(out, codeFaces(collectRows(shown, rows, width)), at);
    at += rows.length;
    last = end.face;
  }
}

/** What is wrong with the blocks: one line a problem. */
export async function checkBlocks(shown: string, sql: Queries, model: StoredModel): Promise<string[]> {
  let held = 0;
  let wrong = 0;
  for await (const row of eachBlock(sql)) {
    let codes: FaceCodes;
    try {
      codes = opened(shown, row, model.record.space.width);
    } catch {
      return ["a block of faces is not what was written; petalface gallery check 'compact' writes it again"];
    }
    const [same] = await sql.query<{ readonly count: number }>(
      `SELECT count(*)::integer AS count FROM unnest($1::integer[], $2::integer[]) AS coded (face, owner)
       JOIN faces ON faces.id = coded.face AND person = owner`,
      [Array.from(codes.faces), Array.from(codes.people)],
    );
    held += codes.count;
    if (same?.count !== codes.count) wrong++;
  }
  const [all] = await sql.query<{ readonly count: number }>(
    "SELECT count(*)::integer AS count FROM embeddings WHERE model = $1 AND face <= $2",
    [model.id, await lastOf(sql)],
  );
  return wrong > 0 || all?.count !== held
    ? ["the blocks of faces and the faces differ; petalface gallery check 'compact' repairs it"]
    : [];
}
