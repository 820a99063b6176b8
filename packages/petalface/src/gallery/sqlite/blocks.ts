import type { DatabaseSync } from "node:sqlite";
import { blockSum, joinBlocks, type KeptBlock, openBlock } from "../blocks.ts";
import { blockFaces, codeFaces, emptyCodes, placeCodes, storeBlock, withoutFaces, withPeople } from "../codes.ts";
import { release } from "../release.ts";
import type { SharedMemory } from "../scan/wasm.ts";
import type { FaceCodes } from "../types.ts";
import { snapshot } from "./driver.ts";
import { activeModel, type Statements, type StoredModel } from "./statements.ts";
import { readRange } from "./vectors.ts";

interface BlockRow extends KeptBlock {
  readonly id: number;
}

/**
 * Ids of faces above this are in no block. Blocks follow each other, so the last one has it; to
 * look at all of them would take longer with each block.
 */
const lastOf = (sql: Statements): number =>
  sql.get<{ readonly last: number }>("SELECT last FROM blocks ORDER BY first DESC LIMIT 1")?.last ?? 0;

/** Makes blocks of faces that are in none, oldest first, while there are enough for two. */
export function fillBlocks(path: string, sql: Statements, model: StoredModel): void {
  for (;;) {
    const last = lastOf(sql);
    const rest = sql.get<{ readonly count: number }>(
      "SELECT count(*) AS count FROM embeddings WHERE model = ? AND face > ?",
      ...[model.id, last],
    );
    if ((rest?.count ?? 0) < 2 * blockFaces) return;
    writeBlock(sql, codeFaces(readRange(path, sql, model, last, blockFaces)));
  }
}

function writeBlock(sql: Statements, codes: FaceCodes, id: number | null = null): void {
  const block = storeBlock(codes);
  sql.run(
    "INSERT OR REPLACE INTO blocks (id, first, last, count, crc, sharp, copies) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ...[id, codes.faces[0] ?? 0, codes.faces.at(-1) ?? 0, block.count, blockSum(block), block.sharp, block.copies],
  );
}

/** Writes all blocks again, from the embeddings. */
export function renewBlocks(path: string, sql: Statements, model: StoredModel): void {
  // One after the other: a statement keeps the pages that it changes in memory until it is done.
  for (const { id } of sql.all<{ readonly id: number }>("SELECT id FROM blocks"))
    sql.run("DELETE FROM blocks WHERE id = ?", id);
  fillBlocks(path, sql, model);
}

/** Changes the blocks that hold some faces. */
function changeBlocks(
  path: string,
  sql: Statements,
  { record }: StoredModel,
  faces: readonly number[],
  change: (codes: FaceCodes) => FaceCodes,
): void {
  const ids = sql.all<{ readonly id: number }>(
    "SELECT DISTINCT blocks.id FROM json_each(?) AS face JOIN blocks ON face.value BETWEEN first AND last",
    JSON.stringify(faces),
  );
  for (const { id } of ids) {
    const row = sql.get<BlockRow>("SELECT id, count, crc, sharp, copies FROM blocks WHERE id = ?", id);
    if (row === undefined) continue;
    const codes = change(openBlock(path, row, record.space.width));
    if (codes.count === 0) sql.run("DELETE FROM blocks WHERE id = ?", row.id);
    else writeBlock(sql, codes, row.id);
  }
}

/** Takes faces out of their blocks. */
export function dropFromBlocks(path: string, sql: Statements, model: StoredModel, faces: readonly number[]): void {
  const gone = new Set(faces);
  changeBlocks(path, sql, model, faces, (codes) => withoutFaces(codes, gone));
}

/** Gives faces in blocks to another person. */
export function giveInBlocks(
  path: string,
  sql: Statements,
  model: StoredModel,
  faces: readonly number[],
  person: number,
): void {
  const given = new Set(faces);
  changeBlocks(path, sql, model, faces, (codes) => withPeople(codes, given, person));
}

/** All faces in 8 bits, of one state of the gallery. */
export function readCodes(path: string, database: DatabaseSync, sql: Statements, memory?: SharedMemory): FaceCodes {
  return snapshot(path, database, () => {
    const model = activeModel(path, sql);
    const about = sql.get<{ readonly count: number; readonly hasCopies: number }>(
      "SELECT coalesce(sum(count), 0) AS count, coalesce(max(length(copies) > 0), 0) AS hasCopies FROM blocks",
    );
    const known = { count: about?.count ?? 0, hasCopies: about?.hasCopies === 1 };
    const rest = [...codesInNoBlock(path, sql, model)];
    const joiner = joinBlocks(path, model.record.space.width, known, rest, memory);
    for (const block of sql.each<KeptBlock>("SELECT count, crc, sharp, copies FROM blocks ORDER BY first")) {
      joiner.put(block);
      release(block.sharp, block.copies);
    }
    return joiner.finish();
  });
}

/**
 * All faces of a model that has no blocks, in 8 bits; the embeddings of a few at a time are in
 * memory.
 *
 * @param count how many it has embedded, in the same state of the gallery
 */
export function codesOf(
  path: string,
  sql: Statements,
  model: StoredModel,
  count: number,
  memory?: SharedMemory,
): FaceCodes {
  const copied = sql.get("SELECT 1 FROM embeddings WHERE model = ? AND length(copies) > 0 LIMIT 1", model.id);
  const out = emptyCodes(model.record.space.width, count, copied !== undefined, memory);
  let at = 0;
  for (const codes of codesAfter(path, sql, model, -1)) {
    placeCodes(out, codes, at);
    at += codes.count;
  }
  return out;
}

/** Faces whose embeddings are read at once where many are put into 8 bits. */
const codedAtOnce = 512;

/** The faces that are in no block, in 8 bits; the embeddings of a few at a time are in memory. */
const codesInNoBlock = (path: string, sql: Statements, model: StoredModel): Generator<FaceCodes> =>
  codesAfter(path, sql, model, lastOf(sql));

/** The faces with ids above one, in 8 bits. */
function* codesAfter(path: string, sql: Statements, model: StoredModel, id: number): Generator<FaceCodes> {
  for (let after = id; ; ) {
    const vectors = readRange(path, sql, model, after, codedAtOnce);
    if (vectors.faces.length === 0) return;
    yield codeFaces(vectors);
    after = vectors.faces.at(-1) ?? after;
    release(vectors.vectors, vectors.copies);
  }
}

/** What is wrong with the blocks: one line a problem. */
export function checkBlocks(path: string, sql: Statements, model: StoredModel): string[] {
  const faces = sql.each<{ readonly face: number; readonly person: number }>(
    `SELECT face, person FROM embeddings JOIN faces ON faces.id = face
     WHERE model = ? AND face <= ? ORDER BY face`,
    ...[model.id, lastOf(sql)],
  );
  let wrong = 0;
  try {
    for (const row of sql.each<KeptBlock>("SELECT count, crc, sharp, copies FROM blocks ORDER BY first")) {
      let codes: FaceCodes;
      try {
        codes = openBlock(path, row, model.record.space.width);
      } catch {
        return ["a block of faces is not what was written; petalface gallery check 'compact' writes it again"];
      }
      for (let at = 0; at < codes.count; at++) {
        const next = faces.next();
        if (next.done || next.value.face !== codes.faces[at] || next.value.person !== codes.people[at]) wrong++;
      }
    }
    if (!faces.next().done) wrong++;
  } finally {
    faces.return(undefined);
  }
  return wrong > 0 ? ["the blocks of faces and the faces differ; petalface gallery check 'compact' repairs it"] : [];
}
