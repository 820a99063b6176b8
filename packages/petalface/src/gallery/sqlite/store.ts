import type { DatabaseSync } from "node:sqlite";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../print-path.ts";
import { type EmbeddingRow, readEmbedding } from "../rows.ts";
import { type SettingRow, settingsOf } from "../settings.ts";
import type { AuditEntry, GalleryStore } from "../store.ts";
import type { EnrolledFace, FaceEmbedding, FacesOfPerson, GallerySettings, Person, WholeFace } from "../types.ts";
import { fillBlocks, readCodes, renewBlocks } from "./blocks.ts";
import { checkGallery } from "./check.ts";
import { guard, transact } from "./driver.ts";
import { compact, forgetExpired, forgetFaces, forgetPerson } from "./forget.ts";
import { begunMigration, openMigration } from "./migration.ts";
import { buildIndex, openedIndex, sweepIndex } from "./nearest.ts";
import { renamePerson } from "./rename.ts";
import { activeModel, note, putEmbedding, type Statements, type StoredModel, statements } from "./statements.ts";
import { readChosen, readVectors } from "./vectors.ts";

/** A {@link GalleryStore} on an open database, which it closes. */
export function sqliteStore(path: string, database: DatabaseSync): GalleryStore {
  const sql = statements(path, database);
  const settings = guard(path, () => readSettings(path, sql));
  const index = openedIndex(path, sql);
  const close = async (): Promise<void> => {
    await index.close();
    if (database.isOpen) database.close();
  };
  return {
    path,
    indexedBy: "sketches",
    settings,
    record: async () => activeModel(path, sql).record,
    // Each change writes one line of the audit log, which is never shortened.
    version: async () => sql.get<{ readonly last: number | null }>("SELECT max(id) AS last FROM audit")?.last ?? 0,
    people: async () =>
      sql.all<Person>(
        `SELECT people.id, name, count(faces.id) AS faces, coalesce(min(alpha), 1) AS lowestAlpha, people.added
         FROM people LEFT JOIN faces ON faces.person = people.id
         LEFT JOIN embeddings ON embeddings.face = faces.id AND model = (SELECT id FROM models WHERE active = 1)
         GROUP BY people.id ORDER BY name`,
      ),
    ids: async (names) =>
      new Map(
        sql
          .all<Pick<Person, "id" | "name">>(
            "SELECT id, name FROM people WHERE name IN (SELECT value FROM json_each(?))",
            JSON.stringify(names),
          )
          .map(({ id, name }) => [name, id]),
      ),
    faces: async (people) =>
      sql
        .all<Omit<EnrolledFace, "hasCrop"> & { readonly hasCrop: number }>(
          `SELECT id, person, source, picture, crop IS NOT NULL AS hasCrop, keep_until AS keepUntil
           FROM faces ${people === undefined ? "" : "WHERE person IN (SELECT value FROM json_each(?))"} ORDER BY id`,
          ...(people === undefined ? [] : [JSON.stringify(Array.from(people))]),
        )
        .map((face) => ({ ...face, hasCrop: face.hasCrop === 1 })),
    vectors: async (after) => readVectors(path, sql, activeModel(path, sql), after),
    read: async (chosen) => readChosen(path, sql, activeModel(path, sql), chosen),
    lastFace: async () => sql.get<{ readonly last: number | null }>("SELECT max(id) AS last FROM faces")?.last ?? 0,
    count: async () => sql.get<{ readonly count: number }>("SELECT count(*) AS count FROM faces")?.count ?? 0,
    countPeople: async () => sql.get<{ readonly count: number }>("SELECT count(*) AS count FROM people")?.count ?? 0,
    names: async (people) =>
      new Map(
        sql
          .all<Pick<Person, "id" | "name">>(
            "SELECT id, name FROM people WHERE id IN (SELECT value FROM json_each(?))",
            JSON.stringify(Array.from(people)),
          )
          .map(({ id, name }) => [id, name]),
      ),
    codes: async (memory) => readCodes(path, database, sql, memory),
    crop: async (face) =>
      sql.get<{ readonly crop: Uint8Array | null }>("SELECT crop FROM faces WHERE id = ?", face)?.crop ?? null,
    whole: () => wholeFaces(path, sql),
    migrate: async (next) => openMigration(path, database, sql, next),
    begunMigration: async () => begunMigration(path, database, sql),
    add: async (person, faces) => transact(path, database, () => addAll(path, sql, [{ person, faces }]))[0] ?? 0,
    addAll: async (people) => transact(path, database, () => addAll(path, sql, people)),
    remove: async (person) => forgetPerson(path, database, sql, person),
    removeFaces: async (person, faces) => forgetFaces(path, database, sql, person, faces),
    forgetExpired: async (now) => forgetExpired(path, database, sql, now),
    rename: async (person, name) => {
      const merged = transact(path, database, () => renamePerson(path, sql, person, name));
      if (merged) sweepIndex(path, sql);
      return merged;
    },
    nearest: (unit, what, most) => index.nearest(unit, what, most),
    buildIndex: (options) => buildIndex(path, database, sql, options),
    audit: async () => sql.all<AuditEntry>("SELECT time, action, person, faces FROM audit ORDER BY id"),
    compact: async () => {
      transact(path, database, () => renewBlocks(path, sql, activeModel(path, sql)));
      compact(path, database);
    },
    check: async () => checkGallery(path, database, sql),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const readSettings = (path: string, sql: Statements): GallerySettings =>
  settingsOf(sql.all<SettingRow>("SELECT key, value FROM settings WHERE key <> 'index'"), printPath(path));

async function* wholeFaces(path: string, sql: Statements): AsyncGenerator<WholeFace> {
  const { id, record } = activeModel(path, sql);
  const { width } = record.space;
  type Row = EmbeddingRow &
    Omit<WholeFace, "crop" | "keepUntil" | keyof FaceEmbedding> & {
      readonly crop: Uint8Array | null;
      readonly keepUntil: string | null;
    };
  const rows = sql.each<Row>(
    `SELECT faces.id, people.name AS person, source, picture, crop, faces.added, keep_until AS keepUntil,
       face, alpha, score, crc, vector, copies
     FROM faces JOIN people ON people.id = person JOIN embeddings ON face = faces.id
     WHERE model = ? ORDER BY faces.id`,
    id,
  );
  for (const row of rows) {
    const { person, source, picture, crop, added, keepUntil } = row;
    const about = { id: row.id, person, source, picture, added };
    yield {
      ...about,
      ...(crop !== null && { crop }),
      ...(keepUntil !== null && { keepUntil }),
      ...readEmbedding(path, row, width),
    };
  }
}

function addAll(path: string, sql: Statements, people: readonly FacesOfPerson[]): number[] {
  const model = activeModel(path, sql);
  const added = people.map((one) => addFaces(path, sql, model, one));
  if (added.some((count) => count > 0)) fillBlocks(path, sql, model);
  return added;
}

function addFaces(path: string, sql: Statements, model: StoredModel, { person: name, faces }: FacesOfPerson): number {
  const { width } = model.record.space;
  const now = new Date().toISOString();
  const known = sql.get<{ readonly id: number }>("SELECT id FROM people WHERE name = ?", name)?.id;
  const person = known ?? sql.run("INSERT INTO people (name, added) VALUES (?, ?)", name, faces[0]?.added ?? now).id;
  let added = 0;
  for (const face of faces) {
    if (face.vector.length !== width || face.copies.length !== width)
      throw new PetalfaceError(
        "PETAL_GALLERY_MISMATCH",
        `${printPath(path)} holds embeddings of ${width} numbers, and this one has ${face.vector.length}`,
      );
    const { id, changes } = sql.run(
      "INSERT OR IGNORE INTO faces (person, source, picture, added, crop, keep_until) VALUES (?, ?, ?, ?, ?, ?)",
      ...[person, face.source, face.picture, face.added ?? now, face.crop ?? null, face.keepUntil ?? null],
    );
    if (changes === 0) continue;
    putEmbedding(sql, id, model.id, face);
    added++;
  }
  if (added > 0) note(sql, "add", person, added);
  else if (known === undefined) sql.run("DELETE FROM people WHERE id = ?", person);
  return added;
}
