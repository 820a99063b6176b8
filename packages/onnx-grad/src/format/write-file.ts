import { createHash } from "node:crypto";
import {
  constants,
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
} from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";

/** A file that is written piece by piece and appears under its name only when it is whole. */
export interface AtomicFile {
  /** Appends bytes; what is longer than the system takes at once goes in parts. */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes over the first bytes. */
  replaceHead(bytes: Uint8Array): Promise<void>;
  /** Syncs the file, gives it its name and syncs its folder. */
  finish(): Promise<void>;
  /**
   * Removes what was written, and folders that were made for it and hold nothing else. Does nothing
   * after {@link AtomicFile.finish}.
   */
  discard(): Promise<void>;
}

/** Options of {@link openAtomicFile}. */
export interface AtomicOptions {
  /** False: not synced, for files that are made again if the power fails. */
  readonly sync?: boolean;
  /** Folder on the same disk for the unfinished file; the file's own unless given. */
  readonly workIn?: string;
  /** True: fails with EEXIST where there is such a file, also one that was made meanwhile. */
  readonly isNew?: boolean;
}

/** Largest part handed to the operating system at once. */
const largestWrite = 64 * 2 ** 20;

/** Names this machine in a file name: a process number means nothing on another one. */
export const machineMark = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
const unfinished = /^\.unfinished-([0-9a-f]{8})-(\d+)-[0-9a-z]+$/;

/** Whether a file or folder of this name is unfinished: see {@link unfinishedName}. */
export const isUnfinished = (name: string): boolean => unfinished.test(name);

/**
 * A new name for a file or folder that is being written. It names this machine and process, so that
 * {@link removeUnfinished} can remove what a killed process left.
 */
export const unfinishedName = (): string =>
  `.unfinished-${machineMark}-${process.pid}-${Math.random().toString(36).slice(2, 12)}`;

/**
 * Opens a temporary file in the folder of its final place: readers see the old file or the new one,
 * never a part. Folders are made. A link is followed, and the mode of a file that is replaced is
 * kept.
 *
 * @throws what the system says, or an Error where the place is held by something that is not a
 * regular file
 */
export async function openAtomicFile(path: string, options: AtomicOptions = {}): Promise<AtomicFile> {
  const { sync = true } = options;
  const place = await realpath(path).catch(() => resolve(path));
  const earlier = await stat(place).catch(() => undefined);
  if (earlier !== undefined && !earlier.isFile())
    throw new Error(earlier.isDirectory() ? "it is a folder; name a file in it" : "it is not a regular file");
  const temporary = join(options.workIn ?? dirname(place), unfinishedName());
  const opened = await openIn(temporary);
  let made = opened.made;
  let file: FileHandle | undefined = opened.file;
  const discard = async (): Promise<void> => {
    if (file === undefined) return;
    const open = file;
    file = undefined;
    await open.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
    await removeEmpty(made);
  };
  if (earlier !== undefined) await file.chmod(earlier.mode & 0o7777).catch(() => undefined);
  return {
    async write(bytes) {
      for (let start = 0; start < bytes.length; start += largestWrite)
        await file?.writeFile(bytes.subarray(start, start + largestWrite));
    },
    async replaceHead(bytes) {
      await file?.write(bytes, 0, bytes.length, 0);
    },
    async finish() {
      if (file === undefined) throw new Error("the file is closed");
      try {
        if (sync) await file.sync();
        await file.close();
        const give = options.isNew === true ? linkNew : rename;
        await give(temporary, place).catch(async (error: unknown) => {
          if (options.workIn === undefined) throw error;
          made = [...(await makeFolder(dirname(place))), ...made];
          await give(temporary, place);
        });
      } catch (error) {
        await discard();
        throw error;
      }
      file = undefined;
      if (sync) await syncFolder(dirname(place));
    },
    discard,
  };
}

/**
 * Writes a whole file as {@link openAtomicFile} does. The pieces must not change meanwhile.
 *
 * @throws what the system or the pieces throw; nothing is left behind then
 */
export async function writeFileAtomic(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: AtomicOptions = {},
): Promise<void> {
  const file = await openAtomicFile(path, options);
  try {
    for await (const piece of pieces) await file.write(piece);
    await file.finish();
  } finally {
    await file.discard();
  }
}

/**
 * Gives a file a name that no file may have; a link appears whole or not at all, and over no other.
 */
async function linkNew(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && noLinks.has(error.code))) throw error;
    // A reader may see the copy before its content, so it is the second choice.
    await copyFile(from, to, constants.COPYFILE_EXCL);
  }
  await rm(from, { force: true });
}

/** What file systems without hard links say. */
const noLinks: ReadonlySet<unknown> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

/**
 * Makes a folder and those above it. Node's recursive form never returns where a folder cannot hold
 * another, such as `/proc`.
 *
 * @returns those that it made, the innermost first, as {@link removeEmpty} takes them
 * @throws what the system says; nothing is left behind then
 */
export async function makeFolder(path: string): Promise<readonly string[]> {
  const missing: string[] = [];
  for (let at = resolve(path); !(await isFolder(at)); at = dirname(at)) missing.push(at);
  const made: string[] = [];
  try {
    for (const at of missing.reverse()) if (await isMade(at)) made.unshift(at);
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
  return made;
}

/** Makes one folder; false where another process has made it meanwhile. */
async function isMade(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (await isFolder(path)) return false;
    throw error;
  }
}

/** Removes folders, the innermost first, as far as they are empty. */
export async function removeEmpty(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rmdir(folder).catch(() => undefined);
}

/**
 * Removes unfinished files and folders from a folder: those whose process on this machine has
 * ended, or with `all` every one. Use `all` only where no other process can be writing.
 */
export async function removeUnfinished(folder: string, { all = false } = {}): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, on, pid] = unfinished.exec(name) ?? [];
    if (pid === undefined || !(all || (on === machineMark && !isRunning(Number(pid))))) continue;
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** What the system says of a failure, without the path in it, which may be of a temporary file. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "syscall" in error ? error.message.replace(/, \w+(?: '.*')?$/s, "") : error.message;
}

/** Opens a new file; its folder is made where it is missing. */
async function openIn(path: string): Promise<{ readonly file: FileHandle; readonly made: readonly string[] }> {
  try {
    return { file: await open(path, "wx"), made: [] };
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  const made = await makeFolder(dirname(path));
  try {
    return { file: await open(path, "wx"), made };
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );

/**
 * A new name outlives a power failure only once its folder is on the disk. Not every system can do
 * that.
 */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close().catch(() => undefined);
}

/** Whether a process of this machine is alive, ours or another's. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}
