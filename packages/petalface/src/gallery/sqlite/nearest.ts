import { randomUUID } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { PetalfaceError } from "../../errors.ts";
import { writeFailure } from "../../files.ts";
import { normaliseRows } from "../../matching/portable.ts";
import { printArgument, printPath } from "../../print-path.ts";
import { byCosine, type Candidate, nearestPeople } from "../candidate.ts";
import { release } from "../release.ts";
import { type NearestPeople, type NewSketches, newSketches, openSketches } from "../sketch/index.ts";
import type { IndexOptions } from "../store.ts";
import { buildTemplates } from "../templates.ts";
import type { EnrolledVectors } from "../types.ts";

import { transact } from "./driver.ts";
import { activeModel, type Statements } from "./statements.ts";
import { readChosen, readVectors } from "./vectors.ts";

/**
 * What a gallery notes of its index, in `settings`. The index itself is in files next to the
 * gallery, of rounded numbers: it may be lost, and is built again.
 */
interface IndexNote {
  /** Part of the names of its files: each build has another one. */
  readonly id: string;
  readonly model: number;
  /** Faces with higher ids are in no index and are compared one by one. */
  readonly last: number;
  /** How many faces it has. */
  readonly count: number;
  readonly copies: boolean;
  /**
   * People who have since become others', each with whose: the index has the old ids. An index of
   * an earlier version, which is of faces, has no such list.
   */
  readonly merged?: readonly (readonly [from: number, to: number])[];
}

const key = "index";
/** People who are added at once: between two such parts it can be interrupted. */
const atOnce = 1000;

const fileOf = (path: string, id: string, what: "faces" | "copies"): string => `${path}.index-${id}-${what}`;

function noteOf(sql: Statements): IndexNote | undefined {
  const row = sql.get<{ readonly value: string }>("SELECT value FROM settings WHERE key = ?", key);
  return row === undefined ? undefined : (JSON.parse(row.value) as IndexNote);
}

/**
 * Forgets the index, within a transaction: faces that are deleted must not stay in it.
 * {@link sweepIndex} deletes its files afterwards.
 */
export function dropIndex(sql: Statements): void {
  sql.run("DELETE FROM settings WHERE key = ?", key);
}

/** Notes, within a transaction, that the faces of one person have become another's. */
export function mergeInIndex(sql: Statements, from: number, to: number): void {
  const note = noteOf(sql);
  if (note?.merged === undefined) return;
  const before = note.merged.map(([one, other]) => [one, other === from ? to : other] as const);
  writeNote(sql, { ...note, merged: [...before, [from, to]] });
}

const writeNote = (sql: Statements, note: IndexNote): unknown =>
  sql.run("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", key, JSON.stringify(note));

/** The last change of the gallery by which people became others. */
const lastMerge = (sql: Statements): number =>
  sql.get<{ readonly last: number | null }>("SELECT max(id) AS last FROM audit WHERE action = ?", "merge")?.last ?? 0;

/** Deletes the files of every index but the one that the gallery notes. */
export function sweepIndex(path: string, sql: Statements): void {
  const kept = noteOf(sql)?.id;
  const start = `${basename(path)}.index-`;
  for (const name of readdirSync(dirname(path)))
    if (name.startsWith(start) && (kept === undefined || !name.startsWith(`${start}${kept}-`)))
      rmSync(join(dirname(path), name), { force: true });
}

/** How many faces up to an id have an embedding of a model. */
const facesUntil = (sql: Statements, model: number, last: number): number =>
  sql.get<{ readonly count: number }>(
    "SELECT count(*) AS count FROM embeddings WHERE model = ? AND face <= ?",
    ...[model, last],
  )?.count ?? 0;

/** What is wrong with the index: one line, or none. */
export function checkIndex(path: string, sql: Statements): string[] {
  const note = noteOf(sql);
  if (note === undefined) return [];
  const files = ["faces" as const, ...(note.copies ? ["copies" as const] : [])];
  const isWhole =
    facesUntil(sql, note.model, note.last) === note.count &&
    files.every((what) => existsSync(fileOf(path, note.id, what)));
  return isWhole ? [] : ["the index and the faces differ; petalface gallery index builds it again"];
}

/**
 * Builds the index: of each person the mean of the faces, and that of their low-resolution copies.
 * Faces that are added meanwhile, or later, are compared one by one until it is built again. An
 * index that is there already stays in use until the new one is whole.
 *
 * @throws PetalfaceError where the files cannot be written
 */
export async function buildIndex(
  path: string,
  database: DatabaseSync,
  sql: Statements,
  { signal, onProgress }: IndexOptions = {},
): Promise<void> {
  const model = activeModel(path, sql);
  const { width } = model.record.space;
  const [faces, copies] = [newSketches(width), newSketches(width)];
  const id = randomUUID().slice(0, 8);
  refuseReadOnly(path, database, `${fileOf(path, id, "faces")}.part`);
  const last = sql.get<{ readonly last: number | null }>("SELECT max(id) AS last FROM faces")?.last ?? 0;
  const [count, merges] = [facesUntil(sql, model.id, last), lastMerge(sql)];
  let done = 0;
  for (let after = 0; ; ) {
    signal?.throwIfAborted();
    const some = sql.all<{ readonly id: number }>(
      "SELECT id FROM people WHERE id > ? ORDER BY id LIMIT ?",
      ...[after, atOnce],
    );
    const ids = some.map((person) => person.id);
    const end = ids.at(-1);
    if (end === undefined) break;
    const read = readChosen(path, sql, model, { people: ids });
    const means = buildTemplates(read, "mean");
    release(read.vectors, read.copies);
    /** Adds one part of the templates, where it is not zero. */
    const add = (index: NewSketches, part: 0 | 1): void => {
      const rows = [...means.people.keys()].filter((row) => (means.squares[3 * row + 2 * part] ?? 0) > 0);
      const numbers = new Float32Array(rows.length * width);
      rows.forEach((row, to) => {
        const from = (2 * row + part) * width;
        numbers.set(means.rows.subarray(from, from + width), to * width);
      });
      index.add(
        rows.map((row) => means.people[row] ?? 0),
        numbers,
      );
      release(numbers);
    };
    add(faces, 0);
    add(copies, 1);
    done += means.faces;
    release(means.rows);
    onProgress?.(done);
    after = end;
    // Others get their turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  signal?.throwIfAborted();
  try {
    // They are synced: the gallery must not note a file that a loss of power takes away.
    await faces.save(fileOf(path, id, "faces"));
    if (copies.count > 0) await copies.save(fileOf(path, id, "copies"));
    transact(path, database, () => {
      // What was deleted meanwhile, or was somebody else's, may be in it.
      const isOld = facesUntil(sql, model.id, last) !== count || lastMerge(sql) !== merges;
      if (activeModel(path, sql).id !== model.id || isOld)
        throw new PetalfaceError(
          "PETAL_BUSY",
          `${printPath(path)}: faces were deleted, or people merged, while the index was built; build it again with petalface gallery index`,
        );
      writeNote(sql, { id, model: model.id, last, count, copies: copies.count > 0, merged: [] });
    });
  } finally {
    sweepIndex(path, sql);
  }
}

/** Hours of building should not end with a gallery or a folder that cannot be written. */
function refuseReadOnly(path: string, database: DatabaseSync, part: string): void {
  transact(path, database, () => undefined);
  try {
    closeSync(openSync(part, "w"));
    rmSync(part);
  } catch (error) {
    throw writeFailure(printPath(part), error);
  }
}

/** The index of one open gallery, and the faces that are not in it. */
export interface OpenedIndex {
  /** The people with the nearest mean of faces, or of copies, or with a nearest face since then. */
  nearest(unit: Float32Array, what: "faces" | "copies", most: number): Promise<Candidate[]>;
  /** Ends its threads. */
  close(): Promise<void>;
}

/** The files of an index. */
interface IndexParts {
  readonly faces: NearestPeople;
  readonly copies: NearestPeople | undefined;
}

/** Opens the index at its first use, and again when another process has built or dropped it. */
export function openedIndex(path: string, sql: Statements): OpenedIndex {
  let opened: { readonly id: string; readonly parts: Promise<IndexParts> } | undefined;
  let rest: { readonly version: number; readonly vectors: EnrolledVectors } | undefined;

  /** Searches that are not over: their threads must not end before. */
  const running = new Set<Promise<unknown>>();

  async function close(): Promise<void> {
    const before = opened;
    opened = undefined;
    const parts = await before?.parts.catch(() => undefined);
    await Promise.allSettled(running);
    for (const part of [parts?.faces, parts?.copies]) await part?.[Symbol.asyncDispose]();
  }

  async function open({ id, copies }: IndexNote, width: number): Promise<IndexParts> {
    const part = (what: "faces" | "copies") => openSketches(fileOf(path, id, what), width, path);
    return { faces: await part("faces"), copies: copies ? await part("copies") : undefined };
  }

  async function current(): Promise<IndexParts & { readonly note: IndexNote }> {
    const note = noteOf(sql);
    const model = activeModel(path, sql);
    if (note?.merged === undefined || note.model !== model.id)
      throw new PetalfaceError(
        "PETAL_GALLERY_MISSING",
        `${printPath(path)} has no index${note === undefined ? "" : " that fits"}; build it with petalface gallery index ${printArgument(path)}`,
      );
    if (opened?.id !== note.id) {
      const before = close();
      opened = { id: note.id, parts: before.then(() => open(note, model.record.space.width)) };
    }
    return { ...(await opened.parts), note };
  }

  /** Faces that were added since the index was built. */
  function added(note: IndexNote): EnrolledVectors {
    const version = sql.get<{ readonly last: number | null }>("SELECT max(id) AS last FROM audit")?.last ?? 0;
    if (rest?.version !== version || rest.vectors.faces.some((face) => face <= note.last))
      rest = { version, vectors: readVectors(path, sql, activeModel(path, sql), note.last) };
    return rest.vectors;
  }

  return {
    close,
    async nearest(unit, what, most) {
      const { note, faces, copies } = await current();
      const search = (what === "faces" ? faces : copies)?.search(unit, most) ?? Promise.resolve([]);
      running.add(search);
      const found = await search.finally(() => running.delete(search));
      const merged = new Map(note.merged);
      const known = found.map(({ person, cosine }) => ({ person: merged.get(person) ?? person, cosine }));
      const recent = added(note);
      const rows = normaliseRows(what === "faces" ? recent.vectors : recent.copies, recent.width);
      const cosines = [...recent.faces.keys()].map((at) => {
        let cosine = 0;
        for (let number = 0; number < recent.width; number++)
          cosine += (unit[number] ?? 0) * (rows[at * recent.width + number] ?? 0);
        return { person: recent.people[at] ?? 0, cosine };
      });
      return nearestPeople([...known, ...cosines].sort(byCosine).slice(0, most));
    },
  };
}
