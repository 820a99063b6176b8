import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { onDisk } from "../../disk-names.ts";
import { systemCode } from "../../errors.ts";
import { readFailures } from "../../files.ts";
import { holdsImage, printPath, refusedFormat } from "../../images/index.ts";
import type { Unreadable } from "../unreadable.ts";
import { createNames, type Names } from "./names.ts";

/** Image files of a set in its order, in a few buffers: some 25 bytes and a name each. */
export interface FileIndex {
  readonly people: readonly string[];
  /** Person of each file, or -1. */
  readonly person: Int32Array;
  /** Path of each file relative to the root, with `/`; only the file's name where `inFolders`. */
  readonly names: Names;
  /** Whether each file lies in a folder called like its person. */
  readonly inFolders: boolean;
  /** One of the folders within people's folders, relative to the root, where there are any. */
  readonly nested?: string | undefined;
  /** Bytes of each file; 2^32 - 1 stands for more. */
  readonly sizes: Uint32Array;
  /** Quality of each file, NaN where unknown. */
  readonly quality?: Float32Array | undefined;
  /** SHA-256 over path, person and size of every file, hex. */
  readonly fingerprint: string;
  /** Files that were left out because they are not images. */
  readonly skipped: number;
  /**
   * Absolute paths of entries that are called like an image and cannot be opened; they may come
   * back unnoticed otherwise.
   */
  readonly lost: Names;
  readonly unreadable: Unreadable;
}

/** Collects a {@link FileIndex}, file by file in the set's order. */
export interface IndexBuilder {
  /**
   * Adds a file, or notes that it cannot be read. Its size is asked for at once.
   *
   * @param path where it lies
   * @param id path relative to the root, which is hashed
   * @param name what is kept of the id
   * @param what how to call it in a message
   */
  add(path: string, id: string, name: string, owner: number, people: readonly string[], what?: string): boolean;
  finish(
    rest: Pick<FileIndex, "people" | "inFolders" | "skipped" | "nested"> & { readonly quality?: Float32Array },
  ): FileIndex;
}

/** Starts a {@link FileIndex}. */
export function createIndex(): IndexBuilder {
  const names = createNames();
  const lost = createNames();
  const first: string[] = [];
  const hash = createHash("sha256");
  let pending = "";
  let person = new Int32Array(1 << 8);
  let sizes = new Uint32Array(1 << 8);
  let length = 0;
  let lostCount = 0;
  return {
    add(path, id, name, owner, people, what = printPath(path)) {
      // Phones and converters name files wrongly: a JPEG called .heic is a JPEG.
      const named = refusedFormat(path);
      const refused = named === undefined || holdsImage(path) ? undefined : named;
      const size = refused === undefined ? sizeOf(path) : `${refused} is not read; convert it to PNG or JPEG`;
      if (typeof size === "string") {
        if (named === undefined) lost.push(resolve(path));
        if (first.length < 5) first.push(`${what}: ${size}`);
        lostCount++;
        return false;
      }
      if (length === sizes.length) {
        person = grown(person, new Int32Array(2 * length));
        sizes = grown(sizes, new Uint32Array(2 * length));
      }
      names.push(name);
      person[length] = owner;
      sizes[length++] = Math.min(size, 2 ** 32 - 1);
      pending += JSON.stringify([id, owner < 0 ? null : people[owner], size]);
      if (pending.length > 1 << 14) {
        hash.update(pending);
        pending = "";
      }
      return true;
    },
    finish(rest) {
      const unreadable = { count: lostCount, tried: length + lostCount, first };
      return {
        ...rest,
        person: person.slice(0, length),
        sizes: sizes.slice(0, length),
        names: names.finish(),
        fingerprint: hash.update(pending).digest("hex"),
        lost: lost.finish(),
        unreadable,
      };
    },
  };
}

/**
 * Bytes of a file, or why it cannot be an image. Synchronous: a million answers take seconds,
 * promised ones five times as long.
 */
export function sizeOf(path: string): number | string {
  try {
    const stats = statSync(onDisk(path));
    if (stats.isFile()) return stats.size;
    return stats.isDirectory() ? "it is a folder" : "it is not a file";
  } catch (cause) {
    const code = systemCode(cause);
    return readFailures[code ?? ""] ?? String(code ?? cause);
  }
}

/** Lets timers and signals run, now and then, in a long loop of synchronous work. */
export function createPause(every: number): () => Promise<void> | undefined {
  let count = 0;
  return () => (++count % every === 0 ? nextTurn() : undefined);
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
