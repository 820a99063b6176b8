import { closeSync, createReadStream, ftruncateSync, openSync, type Stats, statSync, writeSync } from "node:fs";
import { rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { onDisk } from "../disk-names.ts";
import { writeFailure, writePiecesSafely } from "../files.ts";
import { type FaceRecord, isFailure, type Line } from "./record.ts";
import { bySource, type Source } from "./sources.ts";
import { type CropFormat, cropPath } from "./work.ts";

/** Names of the files in an output folder. */
export const files = {
  manifest: "manifest.jsonl",
  failures: "unreadable.jsonl",
  /** Lines of a run under way, in the order of the sources. */
  unfinished: "unfinished.jsonl",
  /** What an unfinished run had beyond a place where the sources have changed since. */
  earlier: "earlier.jsonl",
} as const;

/** Paths of the lists that a finished run leaves in its folder. */
export const alignedLists = (folder: string): string[] =>
  [files.manifest, files.failures].map((name) => join(folder, name));

/** Lines of one source, as an earlier run wrote them. */
interface Group {
  readonly source: string;
  readonly lines: readonly Line[];
  /** Where the group ends in its file, in bytes. */
  readonly end: number;
  /** Whether nothing follows: a run may have been killed within it. */
  readonly last: boolean;
}

/** What earlier runs found, and what this one finds. */
export interface Log {
  /**
   * What an earlier run made of a source, where that still holds: file and crops are unchanged. Ask
   * in the order of the sources.
   *
   * @returns the lines, and whether they lie in the unfinished manifest already
   */
  take(source: Source): Promise<{ readonly lines: readonly Line[]; readonly written: boolean } | undefined>;
  /** Adds a source's lines, in the order of the sources. */
  add(lines: readonly Line[]): void;
  /** Makes the manifest, and the list of what could not be read, of all lines. */
  finish(): Promise<void>;
  close(): void;
}

/**
 * Opens the log of an output folder. Lines are appended as photos are finished, so a killed run
 * loses a few photos: the next one goes through its sources again and keeps what it finds in the
 * log, then what it finds in the manifest of a finished run.
 */
export async function openLog(folder: string, format: CropFormat): Promise<Log> {
  const path = join(folder, files.unfinished);
  const earlier = join(folder, files.earlier);
  const written = openGroups(path);
  let others = [openGroups(earlier), openGroups(join(folder, files.manifest))];
  let kept = 0;
  let handle: number | undefined;

  /**
   * From here on lines are appended. What the unfinished manifest has behind the lines that still
   * hold is kept aside.
   */
  async function leavePrefix(): Promise<void> {
    const rest = (await written.peek()) !== undefined;
    await written.close();
    if (rest) {
      await Promise.all(others.map((groups) => groups.close()));
      await writePiecesSafely(earlier, createReadStream(path));
      others = [openGroups(earlier), openGroups(join(folder, files.manifest))];
    }
    if (kept === 0) await rm(path, { force: true });
    else await truncate(path, kept);
    handle = open(path);
  }

  return {
    async take(source) {
      if (handle === undefined) {
        const group = await written.peek();
        if (group?.source === source.id && holds(group, source, folder, format)) {
          await written.next();
          kept = group.end;
          return { lines: group.lines, written: true };
        }
        await leavePrefix();
      }
      for (const groups of others) {
        const group = await groups.seek(source.id);
        if (group !== undefined && holds(group, source, folder, format)) return { lines: group.lines, written: false };
      }
      return undefined;
    },
    add(lines) {
      if (handle === undefined) throw new Error("lines were added that are written already");
      append(handle, path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    },
    async finish() {
      if (handle === undefined) await leavePrefix();
      await writePiecesSafely(join(folder, files.manifest), linesOf(path, false));
      const failures = join(folder, files.failures);
      await writePiecesSafely(failures, linesOf(path, true));
      if ((await stat(failures)).size === 0) await rm(failures);
      for (const file of [path, earlier]) await rm(file, { force: true });
    },
    close() {
      if (handle !== undefined) closeSync(handle);
      handle = undefined;
    },
  };
}

function open(path: string): number {
  try {
    return openSync(path, "a");
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** Whole lines or none: half a line would end the log for the next run. */
function append(handle: number, path: string, text: string): void {
  const bytes = Buffer.from(text);
  const { size } = statOf(path) ?? { size: 0 };
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
  } catch (error) {
    ftruncateSync(handle, size);
    throw writeFailure(path, error);
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(onDisk(path));
  } catch {
    return undefined;
  }
}

/**
 * Whether a source's file and crops are still those that its lines speak of. A crop older than its
 * photo was made from another one.
 */
function holds({ lines, last }: Group, source: Source, folder: string, format: CropFormat): boolean {
  const photo = statOf(source.path);
  const [first] = lines;
  // A new run tries unreadable files again; a resumed one does not.
  if (first !== undefined && isFailure(first)) return first.bytes === (photo?.size ?? 0);
  if (photo === undefined) return false;
  const changed = Math.max(photo.mtimeMs, photo.ctimeMs);
  const faces = lines.filter((line): line is FaceRecord => !isFailure(line));
  if (faces.length !== lines.length || faces[0] === undefined) return false;
  // How many frames a video has is not in its lines: the last of a log may lack some.
  if (source.kind === "video" ? last : faces[0].faces !== faces.length) return false;
  return faces.every(({ path, bytes, person, face, frame }, at) => {
    const expected =
      source.kind === "photo"
        ? cropPath(source.stem, at + 1, format)
        : cropPath(frameStem(source.stem, frame), face, format);
    const crop = path === expected && bytes === photo.size && person === source.person && statOf(join(folder, path));
    return crop && crop.size > 0 && crop.mtimeMs >= changed;
  });
}

/** Stem of the crops of a video's frame, numbered from 1. */
export const frameStem = (stem: string, frame = 1): string => `${stem}~${String(frame).padStart(6, "0")}`;

/**
 * Reads groups ahead by one. A file that is missing has none; one that is damaged ends before its
 * first wrong line.
 */
function openGroups(path: string) {
  const source = groupsOf(path);
  let ahead: Group | undefined;
  let ended = false;
  const peek = async (): Promise<Group | undefined> => {
    if (ahead === undefined && !ended) {
      const { value, done } = await source.next();
      ended = done === true;
      ahead = done === true ? undefined : value;
    }
    return ahead;
  };
  const next = async (): Promise<Group | undefined> => {
    const group = await peek();
    ahead = undefined;
    return group;
  };
  return {
    peek,
    next,
    /** The group of a source; those that come before it in the order of sources are passed over. */
    async seek(id: string): Promise<Group | undefined> {
      for (let group = await peek(); group !== undefined; group = await peek()) {
        if (group.source === id) return await next();
        if (bySource(group.source, id) > 0) return undefined;
        await next();
      }
      return undefined;
    },
    close: async (): Promise<void> => {
      await source.return(undefined);
    },
  };
}

async function* groupsOf(path: string): AsyncGenerator<Group, undefined> {
  let lines: Line[] = [];
  let end = 0;
  for await (const { text, end: lineEnd } of textLines(path)) {
    const line = parseLine(text);
    if (line === undefined) break;
    const [first] = lines;
    if (first !== undefined && first.source !== line.source) {
      yield { source: first.source, lines, end, last: false };
      lines = [];
    }
    lines.push(line);
    end = lineEnd;
  }
  const [first] = lines;
  if (first !== undefined) yield { source: first.source, lines, end, last: true };
  return undefined;
}

function parseLine(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Line;
    return typeof line.source === "string" && typeof line.bytes === "number" ? line : undefined;
  } catch {
    return undefined;
  }
}

/** Longer lines than this are not ours. */
const longestLine = 1 << 20;

/** Lines of a file that end with a line break, and where they end; none where there is no file. */
async function* textLines(path: string): AsyncGenerator<{ readonly text: string; readonly end: number }> {
  if (statOf(path) === undefined) return;
  let rest = Buffer.alloc(0);
  let start = 0;
  for await (const chunk of createReadStream(path)) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    let from = 0;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10, from)) {
      yield { text: rest.toString("utf8", from, at), end: start + at + 1 };
      from = at + 1;
    }
    start += from;
    rest = rest.subarray(from);
    if (rest.length > longestLine) return;
  }
}

/** Lines of the log that are failures, or those that are not. */
async function* linesOf(path: string, failures: boolean): AsyncGenerator<Uint8Array> {
  let pending = "";
  for await (const { text } of textLines(path)) {
    const line = parseLine(text);
    if (line === undefined || isFailure(line) !== failures) continue;
    pending += `${text}\n`;
    if (pending.length > 1 << 16) {
      yield Buffer.from(pending);
      pending = "";
    }
  }
  if (pending !== "") yield Buffer.from(pending);
}
