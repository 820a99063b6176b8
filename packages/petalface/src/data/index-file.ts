import { createHash } from "node:crypto";
import { readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { writeFileSafely } from "../files.ts";
import type { FileIndex } from "./index-of-files.ts";
import { createNames, type Names, namesOf } from "./names.ts";
import type { Stamps } from "./stamps.ts";

/** Begins every file; another layout gets another number. */
const magic = "petalface-index-1\n";
/** Lists that are kept; the one unused for longest goes first. */
const mostKept = 32;

/** What the head of the file says; arrays follow as sections, in the order of `sections`. */
interface Head {
  readonly key: string;
  readonly inFolders: boolean;
  readonly fingerprint: string;
  readonly skipped: number;
  readonly unreadable: FileIndex["unreadable"];
  /** Bytes of each section. */
  readonly sections: readonly number[];
}

/**
 * Reads a kept list. Layout: the magic line, the head's length as 8 decimal digits, the head as JSON, the sections, and the SHA-256 of everything before.
 *
 * @param key what the list is of
 * @returns undefined where there is none, or where it is damaged, of another version or of something else
 */
export async function readIndex(
  folder: string,
  key: string,
): Promise<{ readonly index: FileIndex; readonly stamps: Stamps } | undefined> {
  const path = pathOf(folder, key);
  try {
    const bytes = await readFile(path);
    const end = bytes.length - 32;
    if (end < 0 || bytes.toString("latin1", 0, magic.length) !== magic) return undefined;
    if (!digest(bytes.subarray(0, end)).equals(bytes.subarray(end))) return undefined;
    const start = magic.length + 8;
    const length = Number(bytes.toString("latin1", magic.length, start));
    const head = JSON.parse(bytes.toString("utf8", start, start + length)) as Head;
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
    return unpack(head, sections);
  } catch {
    return undefined;
  }
}

/** Keeps a list, and drops the oldest of too many. */
export async function writeIndex(folder: string, key: string, index: FileIndex, stamps: Stamps): Promise<void> {
  const { inFolders, fingerprint, skipped, unreadable } = index;
  const people = createNames();
  for (const name of index.people) people.push(name);
  const sections = [
    ...[index.person, index.sizes, index.quality ?? new Float32Array(0), stamps.times].map(bytesOf),
    ...[index.names, people.finish(), index.lost, stamps.paths].flatMap(({ bytes, ends }) => [bytes, bytesOf(ends)]),
  ];
  const head: Head = {
    ...{ key, inFolders, fingerprint, skipped, unreadable },
    sections: sections.map(({ byteLength }) => byteLength),
  };
  const text = Buffer.from(JSON.stringify(head));
  const body = Buffer.concat([Buffer.from(magic + String(text.length).padStart(8, "0")), text, ...sections]);
  await writeFileSafely(pathOf(folder, key), Buffer.concat([body, digest(body)]));
  await prune(folder);
}

function unpack(head: Head, sections: readonly ArrayBuffer[]): { index: FileIndex; stamps: Stamps } {
  const { inFolders, fingerprint, skipped, unreadable } = head;
  const section = (at: number): ArrayBuffer => sections[at] as ArrayBuffer;
  const names = (at: number): Names => namesOf(new Uint8Array(section(at)), new Uint32Array(section(at + 1)));
  const people = names(6);
  const quality = new Float32Array(section(2));
  return {
    index: {
      ...{ inFolders, fingerprint, skipped, unreadable },
      person: new Int32Array(section(0)),
      sizes: new Uint32Array(section(1)),
      quality: quality.length === 0 ? undefined : quality,
      names: names(4),
      people: Array.from({ length: people.length }, (_, at) => people.at(at)),
      lost: names(8),
    },
    stamps: { times: new Float64Array(section(3)), paths: names(10) },
  };
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

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
