import type { QueueServer } from "./server.ts";

/**
 * Tables of a queue, the same on each of its servers: jobs everywhere; a shard on one of them, by
 * its number; a content on one of them, by its hash.
 */
const tables = `
CREATE TABLE IF NOT EXISTS petalface_job (
  id text PRIMARY KEY,
  work jsonb NOT NULL,
  shards integer NOT NULL,
  made timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS petalface_shard (
  job text NOT NULL REFERENCES petalface_job ON DELETE CASCADE,
  number integer NOT NULL,
  start bigint NOT NULL,
  count integer NOT NULL,
  state text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'RUNNING', 'DONE', 'ASIDE')),
  attempts integer NOT NULL DEFAULT 0,
  token text,
  worker text,
  lease timestamptz NOT NULL DEFAULT '-infinity',
  problem text,
  result jsonb,
  PRIMARY KEY (job, number)
);
CREATE INDEX IF NOT EXISTS petalface_shard_open ON petalface_shard (job, number) WHERE state IN ('WAITING', 'RUNNING');
CREATE TABLE IF NOT EXISTS petalface_content (
  job text NOT NULL REFERENCES petalface_job ON DELETE CASCADE,
  hash bytea NOT NULL,
  shard integer NOT NULL,
  place integer NOT NULL,
  PRIMARY KEY (job, hash)
);`;

/**
 * Number of the lock that makes the tables once: two that create one at the same moment would fail.
 */
const lock = 7_305_846;

/** Makes the tables of a queue where they are not there yet. */
export const makeTables = (server: QueueServer): Promise<void> =>
  server.transaction(async (sql) => {
    await sql.query(`SELECT pg_advisory_xact_lock(${lock})`);
    await sql.query(tables);
  });
