import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { chmod } from "node:fs/promises";
import { PetalfaceError } from "../../errors.ts";
import { readGivenFile, writeFileSafely } from "../../files.ts";
import { fieldsOf } from "../../json.ts";
import { printArgument, printPath } from "../../print-path.ts";

/** What a key may do: look for faces, change who is enrolled, run jobs and read the metrics. */
export const scopes = ["search", "enrol", "admin"] as const;

/** One of {@link scopes}. */
export type Scope = (typeof scopes)[number];

/** A key as its file keeps it. The key itself is not kept. */
export interface StoredKey {
  /** Public part of the key. */
  readonly id: string;
  /** What people call it. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** ISO 8601 in UTC. */
  readonly created: string;
  /** From then on it is refused; null: never. */
  readonly expires: string | null;
  /** Requests in a minute; null: the server's own limit. */
  readonly rate: number | null;
  /** Hex. */
  readonly salt: string;
  /** scrypt of the secret part (RFC 7914; N 2^14, r 8, p 1), 32 bytes in hex. */
  readonly hash: string;
}

interface KeyFile {
  readonly format: "petalface-keys";
  readonly version: 1;
  readonly keys: readonly StoredKey[];
}

const cost = { N: 2 ** 14, r: 8, p: 1 } as const;

/** Reads a file of keys. Throws PetalfaceError. */
export async function readKeys(path: string): Promise<readonly StoredKey[]> {
  const bytes = await readGivenFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new PetalfaceError(
      "PETAL_KEYS_INVALID",
      cause.code === "ENOENT"
        ? `${printPath(path)} does not exist; make it with petalface keys add ${printArgument(path)} 'scopes' search`
        : `cannot read ${printPath(path)} (${cause.message})`,
      { cause },
    );
  });
  const text = bytes.toString();
  const damaged = new PetalfaceError(
    "PETAL_KEYS_INVALID",
    `${printPath(path)} is no file of keys; petalface keys add makes one`,
  );
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw damaged;
  }
  const { format, version, keys } = fieldsOf(document);
  if (format !== "petalface-keys" || !Array.isArray(keys)) throw damaged;
  if (version !== 1)
    throw new PetalfaceError(
      "PETAL_KEYS_INVALID",
      `${printPath(path)} has format ${String(version)}; use a newer petalface`,
    );
  if (!keys.every(isStoredKey)) throw damaged;
  return keys;
}

function isStoredKey(value: unknown): value is StoredKey {
  const key = fieldsOf(value);
  const isHex = (text: unknown, bytes: number): boolean =>
    typeof text === "string" && new RegExp(`^[0-9a-f]{${2 * bytes}}$`).test(text);
  return (
    isHex(key.id, idBytes) &&
    isHex(key.salt, 16) &&
    isHex(key.hash, 32) &&
    Array.isArray(key.scopes) &&
    key.scopes.every((scope) => scopes.some((known) => known === scope)) &&
    (key.expires === null || (typeof key.expires === "string" && !Number.isNaN(Date.parse(key.expires)))) &&
    (key.rate === null || (typeof key.rate === "number" && key.rate > 0))
  );
}

/** Writes a file of keys, which its owner alone may read. */
export async function writeKeys(path: string, keys: readonly StoredKey[]): Promise<void> {
  const document: KeyFile = { format: "petalface-keys", version: 1, keys };
  await writeFileSafely(path, `${JSON.stringify(document, undefined, 2)}\n`);
  await chmod(path, 0o600);
}

const idBytes = 6;
const secretBytes = 24;

/** Makes a key: `pf_ID_SECRET`, and what is kept of it. */
export async function makeKey(
  about: Pick<StoredKey, "name" | "scopes" | "expires" | "rate">,
): Promise<{ readonly key: string; readonly stored: StoredKey }> {
  const id = randomBytes(idBytes).toString("hex");
  const secret = randomBytes(secretBytes).toString("hex");
  const salt = randomBytes(16);
  const hash = await hashSecret(secret, salt);
  const { name, scopes: may, expires, rate } = about;
  const created = new Date().toISOString();
  const stored = {
    id,
    name,
    scopes: may,
    created,
    expires,
    rate,
    salt: salt.toString("hex"),
    hash: hash.toString("hex"),
  };
  return { key: `pf_${id}_${secret}`, stored };
}

/** The parts of a key; undefined for what is none. */
export function partsOfKey(text: string): { readonly id: string; readonly secret: string } | undefined {
  const match = /^pf_([0-9a-f]{12})_([0-9a-f]{48})$/.exec(text);
  const [, id, secret] = match ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/**
 * Whether a secret is that of a key. Takes the same time whichever bytes differ, and also where
 * there is no such key.
 */
export async function isSecretOf(secret: string, stored: StoredKey | undefined): Promise<boolean> {
  const expected = Buffer.from(stored?.hash ?? "00".repeat(32), "hex");
  const found = await hashSecret(secret, Buffer.from(stored?.salt ?? "00".repeat(16), "hex"));
  return timingSafeEqual(found, expected) && stored !== undefined;
}

const hashSecret = (secret: string, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(secret, salt, 32, cost, (error, hash) => (error === null ? resolve(hash) : reject(error)));
  });
