/** What `PRAGMA application_id` says of a gallery: "PFGL". */
export const applicationId = 0x5046474c;
/** Version of the tables; a newer one is refused. */
export const formatVersion = 1;

/**
 * The tables. A row of `models` is one way of embedding faces; exactly one is active, and a second
 * one is there while a gallery moves to another model. Numbers are little-endian float32; `crc` is
 * the CRC-32 of `vector`, `copies`, `alpha`.
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
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  time TEXT NOT NULL,
  action TEXT NOT NULL,
  person INTEGER,
  faces INTEGER NOT NULL
) STRICT;
`;
