import { itemAt } from "onnx-grad";
import type { FileIndex } from "./index-of-files.ts";
import { readKept, writeKept } from "./kept.ts";
import { createNames, type Names, namesOf } from "./names.ts";
import type { Stamps } from "./stamps.ts";

/** What the head of the file says; arrays follow as sections. */
type Head = Pick<FileIndex, "inFolders" | "nested" | "fingerprint" | "skipped" | "unreadable">;

/**
 * Reads a kept list of files.
 *
 * @param key what the list is of
 * @returns undefined where there is none, or where it is damaged, of another version or of
 * something else
 */
export async function readIndex(
  folder: string,
  key: string,
): Promise<{ readonly index: FileIndex; readonly stamps: Stamps } | undefined> {
  const kept = await readKept<Head>(folder, key);
  return kept && unpack(kept.head, kept.sections);
}

/** Keeps a list. */
export async function writeIndex(folder: string, key: string, index: FileIndex, stamps: Stamps): Promise<void> {
  const { inFolders, nested, fingerprint, skipped, unreadable } = index;
  const people = createNames();
  for (const name of index.people) people.push(name);
  await writeKept(folder, key, { inFolders, nested, fingerprint, skipped, unreadable } satisfies Head, [
    index.person,
    index.sizes,
    index.quality ?? new Float32Array(0),
    stamps.times,
    ...[index.names, people.finish(), index.lost, stamps.paths].flatMap(({ bytes, ends }) => [bytes, ends]),
  ]);
}

function unpack(head: Head, sections: readonly ArrayBuffer[]): { index: FileIndex; stamps: Stamps } {
  const { inFolders, nested, fingerprint, skipped, unreadable } = head;
  const section = (at: number): ArrayBuffer => itemAt(sections, at);
  const names = (at: number): Names => namesOf(new Uint8Array(section(at)), new Uint32Array(section(at + 1)));
  const people = names(6);
  const quality = new Float32Array(section(2));
  return {
    index: {
      inFolders,
      nested,
      fingerprint,
      skipped,
      unreadable,
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
