import { PetalfaceError } from "../../errors.ts";
import { type SettingRow, settingsOf } from "../settings.ts";
import type { AuditEntry, GalleryStore } from "../store.ts";
import type { EnrolledFace, FacesOfPerson, GallerySettings, Person, WholeFace } from "../types.ts";
import { dropFromBlocks, fillBlocks, giveInBlocks, readCodes, renewBlocks } from "./blocks.ts";
import { checkGallery } from "./check.ts";
import type { Database, Queries } from "./database.ts";
import { facesOf, forgetExpired, forgetFaces, personOf, rewriteTables } from "./forget.ts";
import { begunMigration, openMigration } from "./migration.ts";
import { buildIndex, nearest } from "./nearest.ts";
import {
  activeModel,
  insertRows,
  lockGallery,
  note,
  putEmbeddings,
  readChosen,
  readRow,
  readVectors,
  type StoredModel,
  type VectorRow,
} from "./rows.ts";

/** A {@link GalleryStore} on a database, which it closes. */
export async function postgresStore(database: Database): Promise<GalleryStore> {
  const { shown } = database;
  const settings = await readSettings(database);
  const model = (sql: Queries = database) => activeModel(shown, sql);
  const change = <T>(work: (sql: Queries) => Promise<T>): Promise<T> =>
    database.transaction("write", async (sql) => {
      await lockGallery(sql);
      return await work(sql);
    });
  return {
    path: shown,
    indexedBy: "pgvector",
    settings,
    record: async () => (await model()).record,
    // Each change writes one line of the audit log, which is never shortened.
    version: async () => {
      const [row] = await database.query<{ readonly last: number | null }>("SELECT max(id) AS last FROM audit");
      return row?.last ?? 0;
    },
    people: () =>
      database.query<Person>(
        `SELECT people.id, name, count(faces.id)::integer AS faces, coalesce(min(alpha), 1) AS "lowestAlpha",
           people.added
         FROM people LEFT JOIN faces ON faces.person = people.id
         LEFT JOIN embeddings ON embeddings.face = faces.id AND model = (SELECT id FROM models WHERE active)
         GROUP BY people.id ORDER BY name`,
      ),
    lastFace: async () => {
      const [row] = await database.query<{ readonly last: number | null }>("SELECT max(id) AS last FROM faces");
      return row?.last ?? 0;
    },
    count: async () => {
      const [row] = await database.query<{ readonly count: number }>("SELECT count(*)::integer AS count FROM faces");
      return row?.count ?? 0;
    },
    countPeople: async () => {
      const [row] = await database.query<{ readonly count: number }>("SELECT count(*)::integer AS count FROM people");
      return row?.count ?? 0;
    },
    names: async (people) => {
      const rows = await database.query<Pick<Person, "id" | "name">>(
        "SELECT id, name FROM people WHERE id = ANY ($1::integer[])",
        [Array.from(people)],
      );
      return new Map(rows.map(({ id, name }) => [id, name]));
    },
    ids: async (names) => {
      const rows = await database.query<Pick<Person, "id" | "name">>(
        "SELECT id, name FROM people WHERE name = ANY ($1::text[])",
        [names.filter((name) => !name.includes("\0"))],
      );
      return new Map(rows.map(({ id, name }) => [name, id]));
    },
    faces: (people) =>
      database.query<EnrolledFace>(
        `SELECT id, person, source, picture, crop IS NOT NULL AS "hasCrop", keep_until AS "keepUntil"
         FROM faces ${people === undefined ? "" : "WHERE person = ANY ($1::integer[])"} ORDER BY id`,
        people === undefined ? [] : [Array.from(people)],
      ),
    vectors: (after) =>
      database.transaction("snapshot", async (sql) => readVectors(shown, sql, await model(sql), after)),
    read: (chosen) => database.transaction("snapshot", async (sql) => readChosen(shown, sql, await model(sql), chosen)),
    codes: (memory) => database.transaction("snapshot", (sql) => readCodes(shown, sql, memory)),
    crop: async (face) => {
      const [row] = await database.query<{ readonly crop: Uint8Array | null }>("SELECT crop FROM faces WHERE id = $1", [
        face,
      ]);
      return row?.crop ?? null;
    },
    whole: () => wholeFaces(database),
    migrate: (record) => openMigration(database, record),
    begunMigration: () => begunMigration(database),
    add: async (person, faces) => (await change((sql) => addAll(shown, sql, [{ person, faces }])))[0] ?? 0,
    addAll: (people) => change((sql) => addAll(shown, sql, people)),
    remove: (person) => forgetFaces(database, person),
    removeFaces: (person, faces) => forgetFaces(database, person, faces),
    forgetExpired: (now) => forgetExpired(database, now),
    rename: (person, name) => change((sql) => renamePerson(shown, sql, person, name)),
    nearest: (unit, what, most) => nearest(database, unit, what, most),
    buildIndex: () => buildIndex(database),
    audit: () => database.query<AuditEntry>("SELECT time, action, person, faces FROM audit ORDER BY id"),
    compact: async () => {
      await change(async (sql) => renewBlocks(shown, sql, await model(sql)));
      await rewriteTables(database, true);
    },
    check: () => checkGallery(database),
    close: () => database.close(),
    [Symbol.asyncDispose]: () => database.close(),
  };
}

const readSettings = async (database: Database): Promise<GallerySettings> =>
  settingsOf(await database.query<SettingRow>("SELECT key, value FROM settings"), database.shown);

/** Faces that are fetched at once with their crops. */
const atOnce = 64;

async function* wholeFaces(database: Database): AsyncGenerator<WholeFace> {
  const { shown } = database;
  const { id, record } = await activeModel(shown, database);
  const { width } = record.space;
  const [end] = await database.query<{ readonly last: number | null }>("SELECT max(id) AS last FROM faces");
  type Row = Omit<VectorRow, "person"> &
    Pick<WholeFace, "person" | "source" | "picture" | "added"> & {
      readonly crop: Uint8Array | null;
      readonly keepUntil: string | null;
    };
  for (let last = 0; ; ) {
    const rows = await database.query<Row>(
      `SELECT face, people.name AS person, source, picture, crop, faces.added, keep_until AS "keepUntil",
         alpha, score, crc, vector, copies
       FROM faces JOIN people ON people.id = person JOIN embeddings ON face = faces.id
       WHERE model = $1 AND face > $2 AND face <= $3 ORDER BY face LIMIT $4`,
      [id, last, end?.last ?? 0, atOnce],
    );
    for (const row of rows) {
      const { face, person, source, picture, crop, added, keepUntil } = row;
      const about = { id: face, person, source, picture, added };
      const more = { ...(crop !== null && { crop }), ...(keepUntil !== null && { keepUntil }) };
      yield { ...about, ...more, ...readRow(shown, row, width) };
      last = face;
    }
    if (rows.length === 0) return;
  }
}

const keyOf = (source: Uint8Array): string => Buffer.from(source).toString("hex");

async function addAll(shown: string, sql: Queries, people: readonly FacesOfPerson[]): Promise<number[]> {
  const model = await activeModel(shown, sql);
  const added: number[] = [];
  for (const one of people) added.push(await addFaces(shown, sql, model, one));
  if (added.some((count) => count > 0)) await fillBlocks(shown, sql, model);
  return added;
}

async function addFaces(
  shown: string,
  sql: Queries,
  model: StoredModel,
  { person: name, faces }: FacesOfPerson,
): Promise<number> {
  if (faces.length === 0) return 0;
  if (name.includes("\0"))
    throw new PetalfaceError("PETAL_OPTION_UNFIT", `${shown}: a name cannot hold the character 0 in PostgreSQL`);
  const { width } = model.record.space;
  const wrong = faces.find(({ vector, copies }) => vector.length !== width || copies.length !== width);
  if (wrong !== undefined)
    throw new PetalfaceError(
      "PETAL_GALLERY_MISMATCH",
      `${shown} holds embeddings of ${width} numbers, and this one has ${wrong.vector.length}`,
    );
  const now = new Date().toISOString();
  const [known] = await sql.query<{ readonly id: number }>("SELECT id FROM people WHERE name = $1", [name]);
  const [made] =
    known === undefined
      ? await sql.query<{ readonly id: number }>("INSERT INTO people (name, added) VALUES ($1, $2) RETURNING id", [
          name,
          faces[0]?.added ?? now,
        ])
      : [known];
  const person = made?.id ?? 0;
  const fresh = await insertRows<{ readonly id: number; readonly source: Uint8Array }>(
    sql,
    "faces",
    ["person", "source", "picture", "added", "crop", "keep_until"],
    faces.map(({ source, picture, added, crop, keepUntil }) => [
      ...[person, source, picture, added ?? now, crop ?? null, keepUntil ?? null],
    ]),
    "ON CONFLICT (person, source) DO NOTHING RETURNING id, source",
  );
  const bySource = new Map(faces.toReversed().map((face) => [keyOf(face.source), face]));
  const added = fresh.flatMap(({ id, source }) => {
    const face = bySource.get(keyOf(source));
    return face === undefined ? [] : [[id, face] as const];
  });
  await putEmbeddings(sql, model.id, added);
  if (added.length === 0) return 0;
  await note(sql, "add", person, added.length);
  return added.length;
}

async function renamePerson(shown: string, sql: Queries, from: string, to: string): Promise<boolean> {
  const person = await personOf(shown, sql, from);
  if (from === to) return false;
  const [other] = await sql.query<{ readonly id: number }>("SELECT id FROM people WHERE name = $1", [to]);
  if (other === undefined) {
    await sql.query("UPDATE people SET name = $1 WHERE id = $2", [to, person]);
    await note(sql, "rename", person, 0);
    return false;
  }
  // A picture that both have stays where it is, and goes with the person.
  const moved = await sql.query<{ readonly id: number }>(
    `UPDATE faces SET person = $1 WHERE person = $2
       AND source NOT IN (SELECT source FROM faces WHERE person = $1) RETURNING id`,
    [other.id, person],
  );
  const model = await activeModel(shown, sql);
  await dropFromBlocks(shown, sql, model, await facesOf(sql, person));
  await giveInBlocks(
    shown,
    sql,
    model,
    moved.map(({ id }) => id),
    other.id,
  );
  await sql.query("DELETE FROM people WHERE id = $1", [person]);
  await note(sql, "merge", other.id, moved.length);
  return true;
}
