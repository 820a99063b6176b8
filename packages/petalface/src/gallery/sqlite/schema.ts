/** What `PRAGMA application_id` says of a gallery: "PFGL". */
export const applicationId = 0x5046474c;
/**
 * Bytes of a page of a new gallery. An embedding of 512 numbers takes 2.1 KB, so a page of 4 KiB,
 * SQLite's usual size, would hold one and be half empty. Galleries of all page sizes are read.
 */
export const pageBytes = 32_768;
/** Version of the tables; a newer one is refused. */
export const formatVersion = 2;

/**
 * Faces in 8 bits, many in a row, for search in large galleries: see codes.ts. All faces with ids
 * up to the highest `last` are in one.
 */
const blocks = `
CREATE TABLE blocks (
  id INTEGER PRIMARY KEY,
  first INTEGER NOT NULL UNIQUE,
  last INTEGER NOT NULL,
  count INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  sharp BLOB NOT NULL,
  copies BLOB NOT NULL
) STRICT;
CREATE INDEX faces_to_forget ON faces (keep_until) WHERE keep_until IS NOT NULL;
`;

/** What makes a gallery of format 1 one of format 2. */
export const upgradeFrom1 = `ALTER TABLE faces ADD COLUMN keep_until TEXT; ${blocks}`;

/**
 * The tables. A row of `models` is one way of embedding faces; exactly one is active, and a second
 * one is there while a gallery moves to another model. Numbers are little-endian float32; `crc` is
 * the CRC-32 of `vector`, `copies`, `alpha`; a face without copies has none of their bytes.
 */
export const schema = `
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE models (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  record TEXT NOT NULL,
  active INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX one_active ON models (active) WHERE active = 1;
CREATE TABLE people (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  added TEXT NOT NULL
) STRICT;
CREATE TABLE faces (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
  source BLOB NOT NULL,
  picture BLOB NOT NULL,
  added TEXT NOT NULL,
  crop BLOB,
  keep_until TEXT,
  UNIQUE (person, source)
) STRICT;
CREATE TABLE embeddings (
  face INTEGER NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
  model INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  alpha REAL NOT NULL,
  score REAL,
  crc INTEGER NOT NULL,
  vector BLOB NOT NULL,
  copies BLOB NOT NULL,
  PRIMARY KEY (model, face)
) STRICT;
CREATE INDEX embeddings_of_face ON embeddings (face);
${blocks}
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  time TEXT NOT NULL,
  action TEXT NOT NULL,
  person INTEGER,
  faces INTEGER NOT NULL
) STRICT;
`;
