import { createHash } from "node:crypto";
import { readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { writeFileSafely } from "../../files.ts";

/** Begins every file; another layout gets another number. */
const magic = "petalface-index-3\n";
/** Lists that are kept; the one unused for longest goes first. */
const mostKept = 32;

/** A list of a set as it is kept: its description as JSON, and its arrays. */
export interface Kept<Head> {
  readonly head: Head;
  readonly sections: readonly ArrayBuffer[];
}

/**
 * Reads what {@link writeKept} kept. Layout: the magic line, the head's length as 8 decimal digits,
 * the head as JSON, the sections, and the SHA-256 of everything before.
 *
 * @param key what the list is of
 * @returns undefined where there is none, or where it is damaged, of another version or of
 * something else
 */
export async function readKept<Head>(folder: string, key: string): Promise<Kept<Head> | undefined> {
  const path = pathOf(folder, key);
  try {
    const bytes = await readFile(path);
    const end = bytes.length - 32;
    if (end < 0 || bytes.toString("latin1", 0, magic.length) !== magic) return undefined;
    if (!digest(bytes.subarray(0, end)).equals(bytes.subarray(end))) return undefined;
    const start = magic.length + 8;
    const length = Number(bytes.toString("latin1", magic.length, start));
    const head = JSON.parse(bytes.toString("utf8", start, start + length)) as Head & {
      readonly key: string;
      readonly sections: readonly number[];
    };
    if (head.key !== key) return undefined;
    let at = start + length;
    const sections = head.sections.map((size) => {
      // Copied, so that numbers lie where their type wants them.
      const section = bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + size) as ArrayBuffer;
      at += size;
      return section;
    });
    // Used: of many lists the ones unused for longest go.
    await utimes(path, new Date(), new Date()).catch(() => {});
    return { head, sections };
  } catch {
    return undefined;
  }
}

/** Keeps a list, and drops the oldest of too many. */
export async function writeKept(
  folder: string,
  key: string,
  head: object,
  sections: readonly ArrayBufferView[],
): Promise<void> {
  const parts = sections.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));
  const text = Buffer.from(JSON.stringify({ ...head, key, sections: parts.map(({ byteLength }) => byteLength) }));
  const body = Buffer.concat([Buffer.from(magic + String(text.length).padStart(8, "0")), text, ...parts]);
  await writeFileSafely(pathOf(folder, key), Buffer.concat([body, digest(body)]));
  await prune(folder);
}

async function prune(folder: string): Promise<void> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".index"));
  if (files.length <= mostKept) return;
  const used = await Promise.all(
    files.map(async (name) => ({ name, time: (await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0 })),
  );
  used.sort((one, other) => other.time - one.time);
  await Promise.all(used.slice(mostKept).map(({ name }) => rm(join(folder, name), { force: true })));
}

const pathOf = (folder: string, key: string): string =>
  join(folder, `${createHash("sha256").update(key).digest("hex").slice(0, 32)}.index`);

const digest = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
