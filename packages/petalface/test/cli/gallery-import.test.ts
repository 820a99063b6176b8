import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { itemAt } from "onnx-grad";
import pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { copyValue } from "../../src/gallery/foreign/dump.ts";
import { openGallery } from "../../src/gallery/index.ts";
import { loadSqlite } from "../../src/gallery/sqlite/driver.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { findPostgres, needsPostgres, startPostgres } from "../support/postgres.ts";
import { drawPhotos } from "./drawn-photos.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-import-");
const people = "synthetic:people=3,images=2,seed=5";
// The tiny network is random: what it says of drawn faces is no measure of quality.
const open = ["--aligned", "yes", "--min-alpha", "0", "--force"];
const created = ["--model", "tiny.onnx", "--copies", "8,6", "--alpha-range", "0,4"];

/** A face as the other products keep it. */
interface Kept {
  readonly person: string;
  readonly picture: Buffer;
  readonly vector: readonly number[];
}
let faces: Kept[];

async function run(...args: string[]) {
  const ended = await petalface(["gallery", ...args], { cwd: folder });
  return { ...ended, line: ended.stderr.trimEnd().split("\n").at(-1) ?? "" };
}

async function json(...args: string[]) {
  const { code, stdout, stderr } = await run(...args, "--json");
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

/** Names and embeddings of a gallery, in the order of names. */
async function contentOf(gallery: string) {
  await using store = await openGallery(join(folder, gallery));
  const names = new Map((await store.people()).map(({ id, name }) => [id, name]));
  const { width, people: owners, vectors, copies, alpha } = await store.vectors();
  return [...owners]
    .map((id, at) => ({
      person: names.get(id) ?? "",
      vector: [...vectors.subarray(at * width, (at + 1) * width)],
      copies: [...copies.subarray(at * width, (at + 1) * width)],
      alpha: itemAt(alpha, at),
    }))
    .sort((a, b) => a.person.localeCompare(b.person) || itemAt(a.vector, 0) - itemAt(b.vector, 0));
}

const uuid = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
const keys = { door: "key-of-door", gate: "key-of-gate", demo: "00000000-0000-0000-0000-000000000002" };
/** Names of people in the dump: COPY writes some characters in its own way. */
const names = ["Ada\tLovelace", "Zoë \\ Ω", "Nobody's"];

const columns = {
  model: "id, name, api_key",
  subject: "id, api_key, subject_name",
  img: "id, content",
  embedding: "id, subject_id, embedding, calculator, img_id",
} as const;

/** The tables of CompreFace that hold faces, with rows for each of its services. */
function compreFaceRows(): Record<keyof typeof columns, unknown[][]> {
  return {
    model: [
      [1, "Door", keys.door],
      [2, "Gate", keys.gate],
      [3, "Demo", keys.demo],
    ],
    subject: [
      ...names.map((name, at) => [uuid(at), keys.door, name]),
      [uuid(50), keys.gate, "Guest"],
      [uuid(51), keys.demo, "Demo face"],
    ],
    img: faces.map(({ picture }, at) => [uuid(100 + at), picture]),
    embedding: [
      ...faces.map(({ person, vector }, at) => [
        ...[uuid(200 + at), uuid(Number(person)), vector, "tiny.Calculator@1"],
        // The last face has no picture.
        at === faces.length - 1 ? null : uuid(100 + at),
      ]),
      [uuid(300), uuid(50), itemAt(faces, 0).vector, "other.Calculator@1", uuid(100)],
      [uuid(301), uuid(51), itemAt(faces, 1).vector, "tiny.Calculator@1", null],
    ],
  };
}

/** What pg_dump writes of these tables. */
function dumpOf(rows: ReturnType<typeof compreFaceRows>): string {
  const cell = (value: unknown): string =>
    value === null
      ? "\\N"
      : value instanceof Uint8Array
        ? `\\\\x${Buffer.from(value).toString("hex")}`
        : Array.isArray(value)
          ? `{${value.join(",")}}`
          : String(value).replaceAll("\\", "\\\\").replaceAll("\t", "\\t");
  const tables = (["embedding", "img", "model", "subject"] as const).map(
    (table) =>
      `COPY public.${table} (${columns[table]}) FROM stdin;\n${rows[table].map((row) => `${row.map(cell).join("\t")}\n`).join("")}\\.\n`,
  );
  return `--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n\n${tables.join("\n\n")}`;
}

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  await writeTinyBackbone(join(folder, "other.onnx"), 2);
  await drawPhotos(folder, people);
  for (const args of [
    ["gallery", "create", "right.db", ...created],
    ["gallery", "add", "right.db", "faces", ...open],
  ])
    expect(await petalface(args, { cwd: folder })).toMatchObject({ code: 0 });
  faces = [];
  await using store = await openGallery(join(folder, "right.db"));
  const byId = new Map((await store.people()).map(({ id, name }) => [id, name]));
  const [known, { vectors, width }] = [await store.faces(), await store.vectors()];
  for (const person of (await readdir(join(folder, "faces"))).sort())
    for (const file of (await readdir(join(folder, "faces", person))).sort()) {
      const picture = await readFile(join(folder, "faces", person, file));
      const at = faces.length;
      expect(byId.get(itemAt(known, at).person)).toBe(person);
      faces.push({ person, picture, vector: [...vectors.subarray(at * width, (at + 1) * width)] });
    }
});

test("values of PostgreSQL's text format", () => {
  expect(["\\N", "a\\tb\\\\n\\n", "\\x41\\101 \\q", "plain"].map(copyValue)).toEqual([
    null,
    "a\tb\\n\n",
    "AA q",
    "plain",
  ]);
});

describe("a dump of CompreFace", () => {
  /** As `add` enrols the same pictures, but for the last one, which has none. */
  async function expected() {
    const right = await contentOf("right.db");
    const named = right.map((face) => ({ ...face, person: itemAt(names, Number(face.person)) }));
    const last = new Set(faces.at(-1)?.vector);
    return named
      .filter(({ vector }) => !vector.every((value) => last.has(value)))
      .sort((a, b) => a.person.localeCompare(b.person) || itemAt(a.vector, 0) - itemAt(b.vector, 0));
  }

  test("is enrolled by its pictures, one service at a time", async () => {
    await writeFile(join(folder, "frs.sql"), dumpOf(compreFaceRows()));
    await json("create", "c.db", ...created);
    // The demo service comes with each installation and is not meant.
    expect(await run("import", "frs.sql", "c.db", ...open)).toMatchObject({
      code: 2,
      line: expect.stringContaining("give one with --collection: Door (6 faces), Gate (1 faces)"),
    });
    const found = await json("import", "frs.sql", "c.db", "--collection", "Door", ...open);
    expect(found).toMatchObject({ product: "CompreFace", added: 5, people: 3, withoutPicture: 1, keptEmbeddings: 0 });
    expect(await contentOf("c.db")).toEqual(await expected());
    // Again: nothing is new.
    expect(await json("import", "frs.sql", "c.db", "--collection", "Door", ...open)).toMatchObject({
      added: 0,
      known: 5,
    });
  });

  test("keeps embeddings only of the gallery's own model", async () => {
    await json("create", "kept.db", ...created);
    const keep = ["--collection", "Door", "--embeddings", "tiny.Calculator@1", ...open];
    expect(await run("import", "frs.sql", "kept.db", "--collection", "Door", "--embeddings", "tiny")).toMatchObject({
      code: 1,
      line: expect.stringContaining("there are: tiny.Calculator@1"),
    });
    const found = await json("import", "frs.sql", "kept.db", ...keep);
    expect(found).toMatchObject({ added: 5, keptEmbeddings: 1, withoutPicture: 0, sameModel: { faces: 5 } });
    expect(found.sameModel.medianCosine).toBeCloseTo(1, 5);
    const all = await contentOf("kept.db");
    expect(all).toHaveLength(6);
    const without = all.find(({ vector }) => vector.every((value, at) => value === faces.at(-1)?.vector[at]));
    expect(without).toMatchObject({ person: names[2], alpha: 1 });
    expect(without?.copies.every((value) => value === 0)).toBe(true);
    expect(await json("import", "frs.sql", "kept.db", ...keep)).toMatchObject({ added: 0, keptBefore: 1 });
    // A gallery of another model takes the pictures, and refuses the embeddings.
    await json("create", "other.db", "--model", "other.onnx", "--copies", "none", "--alpha-range", "0,4");
    expect(await run("import", "frs.sql", "other.db", ...keep)).toMatchObject({
      code: 1,
      line: expect.stringMatching(/is another model than that of other\.db: the same 5 faces have a median cosine of/),
    });
    expect(await contentOf("other.db")).toEqual([]);
    expect(await json("import", "frs.sql", "other.db", "--collection", "Door", ...open)).toMatchObject({ added: 5 });
  });

  test("of another form is refused in one line", async () => {
    const refused = async (name: string, content: string, line: string): Promise<void> => {
      await writeFile(join(folder, name), content);
      expect(await run("import", name, "c.db", ...open)).toMatchObject({
        code: 1,
        line: expect.stringContaining(line),
      });
    };
    const title = "--\n-- PostgreSQL database dump\n--\n";
    await refused("custom.dump", "PGDMP\u0001\u000e", "make it text with pg_restore -f dump.sql");
    await refused("empty.sql", title, "holds no faces of CompreFace");
    await refused("old.sql", `${title}COPY public.face (id) FROM stdin;\n1\n\\.\n`, "is of CompreFace before 0.6");
    await refused("text.txt", "hello\n", "is no export of a gallery");
    expect(await run("import", "frs.sql", "absent.db", "--collection", "Door")).toMatchObject({
      code: 1,
      line: expect.stringContaining("petalface gallery create"),
    });
    await json("export", "c.db", "--out", "c.jsonl");
    expect(await run("import", "c.jsonl", "again.db", "--embeddings", "x")).toMatchObject({ code: 2 });
  });

  const programs = findPostgres();
  const dumper = join(programs?.folder ?? "", "pg_dump");
  test.skipIf(programs === undefined || !existsSync(dumper))(
    `as pg_dump itself writes it (${needsPostgres})`,
    async () => {
      await using server = await startPostgres();
      const address = await server.createDatabase();
      const client = new pg.Client({ connectionString: address });
      await client.connect();
      await client.query(`CREATE TABLE model (id bigint PRIMARY KEY, name varchar(255), api_key varchar(36) UNIQUE);
      CREATE TABLE subject (id uuid PRIMARY KEY, api_key varchar(36) REFERENCES model (api_key), subject_name varchar(255));
      CREATE TABLE img (id uuid PRIMARY KEY, content bytea NOT NULL);
      CREATE TABLE embedding (id uuid PRIMARY KEY, subject_id uuid REFERENCES subject, embedding float8[] NOT NULL,
        calculator varchar(255) NOT NULL, img_id uuid REFERENCES img)`);
      const rows = compreFaceRows();
      for (const table of ["model", "subject", "img", "embedding"] as const)
        for (const row of rows[table])
          await client.query(
            `INSERT INTO ${table} (${columns[table]}) VALUES (${row.map((_, at) => `$${at + 1}`).join(", ")})`,
            row,
          );
      await client.end();
      const dump = await promisify(execFile)(dumper, [address], { maxBuffer: 2 ** 28 });
      await writeFile(join(folder, "real.sql"), dump.stdout);
      await json("create", "real.db", ...created);
      await json("import", "real.sql", "real.db", "--collection", "Door", ...open);
      expect(await contentOf("real.db")).toEqual(await expected());
    },
  );
});

describe("a database of InsightFace Server", () => {
  /** The columns that its migrations give these tables, as far as they matter. */
  async function writeServer(name: string, crops: boolean): Promise<void> {
    const { DatabaseSync } = await loadSqlite();
    const database = new DatabaseSync(join(folder, name));
    database.exec(`CREATE TABLE collections (id TEXT PRIMARY KEY, name TEXT NOT NULL);
      CREATE TABLE persons (collection_id TEXT, id TEXT, name TEXT, external_id TEXT);
      CREATE TABLE face_samples (id TEXT PRIMARY KEY, collection_id TEXT, person_id TEXT, embedding BLOB,
        bounding_box_json TEXT, model_id TEXT, model_version TEXT, crop_image BLOB);
      INSERT INTO collections VALUES ('c', 'Office');
      INSERT INTO persons VALUES ('c', 'p0', 'Ada', NULL), ('c', 'p1', NULL, 'ext-1'), ('c', 'p2', NULL, NULL)`);
    const insert = database.prepare("INSERT INTO face_samples VALUES (?, 'c', ?, ?, ?, 'tiny', '1', ?)");
    faces.forEach(({ person, picture, vector }, at) => {
      const box = JSON.stringify({ pixels: { x: 3, y: 4, width: 40, height: 50 } });
      const bytes = new Uint8Array(Float32Array.from(vector).buffer);
      insert.run(uuid(at), `p${person}`, bytes, box, crops ? picture : null);
    });
    database.close();
  }

  test("gives its embeddings to a gallery of the same model, and nothing to another", async () => {
    await writeServer("insightface-server.db", false);
    await json("create", "i.db", ...created);
    const ended = await run("import", "insightface-server.db", "i.db", ...open);
    expect(ended).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/--embeddings tiny@1 keeps\s+their\s+embeddings/),
    });
    expect(await json("import", "insightface-server.db", "i.db", "--embeddings", "tiny@1", ...open)).toMatchObject({
      product: "InsightFace Server",
      collection: "Office",
      keptEmbeddings: 6,
      sameModel: null,
    });
    const right = await contentOf("right.db");
    const named = ["Ada", "ext-1", "p2"];
    expect((await contentOf("i.db")).map(({ person, vector }) => ({ person, vector }))).toEqual(
      right.map(({ person, vector }) => ({ person: named[Number(person)], vector })),
    );
  });

  test("is compared by its crops before embeddings are kept", async () => {
    await writeServer("crops.db", true);
    await json("create", "o.db", "--model", "other.onnx", "--copies", "none", "--alpha-range", "0,4");
    expect(await run("import", "crops.db", "o.db", "--embeddings", "tiny@1", ...open)).toMatchObject({
      code: 1,
      line: expect.stringContaining("is another model"),
    });
    expect(await contentOf("o.db")).toEqual([]);
    // Without --embeddings the crops are embedded again.
    expect(await json("import", "crops.db", "o.db", ...open)).toMatchObject({ added: 6, keptEmbeddings: 0 });
  });

  test("that is another file of SQLite is refused", async () => {
    expect(await run("import", "right.db", "x.db")).toMatchObject({
      code: 1,
      line: expect.stringContaining("no database of InsightFace Server"),
    });
  });
});
