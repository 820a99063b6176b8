import { createHmac, randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { openOneAtATime } from "../one-at-a-time.ts";
import { Problem } from "../problem.ts";
import { isSecretOf, partsOfKey, readKeys, type Scope, type StoredKey } from "./file.ts";

/** Who asks. */
export interface Caller {
  /** Id of the key; the address of a caller without one, where the server is open. */
  readonly id: string;
  readonly scopes: readonly Scope[];
  /** Requests in a minute; null: the server's own limit. */
  readonly rate: number | null;
}

/** The keys of a server. */
export interface KeyRing {
  /** Whose key it is; undefined where it is unknown, or has expired. */
  caller(key: string): Promise<Caller | undefined>;
}

/** Verified keys that are remembered, so that scrypt runs once a key. */
const mostVerified = 10_000;
/** Keys that are looked at with scrypt at a time, and those that may wait for it. */
const mostWaiting = 32;
/**
 * Milliseconds after which the file is looked at again: keys are added and revoked while the server
 * runs.
 */
const lookAgain = 1000;

/** Opens the keys of a file, and follows its changes. Throws PetalfaceError. */
export async function openKeyRing(path: string): Promise<KeyRing> {
  const pepper = randomBytes(32);
  const oneAtATime = openOneAtATime();
  let waiting = 0;
  let keys = new Map((await readKeys(path)).map((key) => [key.id, key]));
  let stamp = await stampOf(path);
  let looked = performance.now();
  const verified = new Map<string, string>();

  async function look(): Promise<void> {
    if (performance.now() - looked < lookAgain) return;
    looked = performance.now();
    const now = await stampOf(path);
    if (now === stamp) return;
    // A file that cannot be read takes all keys along, until it can be read again.
    const read = await readKeys(path).catch((): readonly StoredKey[] => []);
    keys = new Map(read.map((key) => [key.id, key]));
    verified.clear();
    stamp = now;
  }

  return {
    async caller(text) {
      await look();
      const parts = partsOfKey(text);
      if (parts === undefined) return undefined;
      const stored = keys.get(parts.id);
      // Of the key only a code is kept in memory, made with a secret of this process.
      const code = createHmac("sha256", pepper).update(text).digest("hex");
      if (verified.get(code) !== parts.id) {
        if (waiting >= mostWaiting)
          throw new Problem(429, "too-many-requests", "too many unknown keys at a time", { retryAfter: 5 });
        waiting++;
        try {
          if (!(await oneAtATime(() => isSecretOf(parts.secret, stored)))) return undefined;
        } finally {
          waiting--;
        }
        if (verified.size >= mostVerified) verified.clear();
        verified.set(code, parts.id);
      }
      const now = keys.get(parts.id);
      if (now === undefined || (now.expires !== null && Date.parse(now.expires) <= Date.now())) return undefined;
      return { id: now.id, scopes: now.scopes, rate: now.rate };
    },
  };
}

async function stampOf(path: string): Promise<string> {
  const entry = await stat(path).catch(() => undefined);
  return entry === undefined ? "none" : `${entry.ino} ${entry.mtimeMs} ${entry.size}`;
}
