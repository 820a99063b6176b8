import { constants, copyFile, link, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { PetalfaceError } from "./errors.ts";
import { writeFailure } from "./files.ts";

/** Name of the lock file in a run's folder. */
export const lockName = "lock.json";

/** Who holds a lock. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /**
   * When the process was started, in the system's own unit where that is available: another process
   * may have its number later.
   */
  readonly started: string;
}

let taken = 0;

/**
 * Makes this process the only one that writes into a run. A lock whose process has ended is taken
 * over. Dispose of the result to release the run. Throws PetalfaceError if another process (or
 * another call in this one) holds it.
 */
export async function lockRun(folder: string): Promise<AsyncDisposable> {
  const path = join(folder, lockName);
  const own = `${path}.${process.pid}-${taken++}.part`;
  const me: Holder = { pid: process.pid, host: hostname(), started: await startOf(process.pid) };
  try {
    await writeFile(own, JSON.stringify(me));
  } catch (error) {
    throw writeFailure(path, error);
  }
  try {
    // A link appears whole or not at all, and never over another's.
    for (let attempt = 0; !(await linked(own, path)); attempt++) {
      const text = await readFile(path, "utf8").catch(() => undefined);
      if (text !== undefined && (await isAlive(text))) throw busy(folder, path, text);
      if (attempt >= 10) throw new PetalfaceError("PETAL_BUSY", `${path}: this lock cannot be taken over; remove it`);
      if (text !== undefined && (await replaceStale(folder, path, own))) break;
    }
  } finally {
    await rm(own, { force: true });
  }
  await removeDead(folder);
  return {
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true }).catch(() => {});
    },
  };
}

/** Makes `path` another name of `own`; false if there is such a file. */
async function linked(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (noLinks.has(code)) return await copied(own, path);
    throw writeFailure(path, error);
  }
}

/** What file systems without hard links say. */
const noLinks: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

/**
 * {@link linked} for file systems without links. A reader may see the file before its content, so
 * it is the second choice.
 */
async function copied(own: string, path: string): Promise<boolean> {
  try {
    await copyFile(own, path, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw writeFailure(path, error);
  }
}

/**
 * Puts `own` in a dead process's place; false if the lock is not to be had after all. Only who
 * holds a second lock may do it: of two processes that both saw the dead one, the slower would
 * otherwise replace the quicker one's lock.
 */
async function replaceStale(folder: string, path: string, own: string): Promise<boolean> {
  const right = `${path}.takeover.part`;
  if (!(await linked(own, right))) {
    const text = await readFile(right, "utf8").catch(() => undefined);
    if (text !== undefined && (await isAlive(text))) throw busy(folder, right, text);
    // Its holder died within the few lines below.
    await rm(right, { force: true });
    return false;
  }
  try {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined || (await isAlive(text))) return false;
    await rename(own, path);
    return true;
  } finally {
    await rm(right, { force: true });
  }
}

/** Removes what processes left that died while they asked for the lock. */
async function removeDead(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${lockName}.`)) continue;
    const text = await readFile(join(folder, name), "utf8").catch(() => undefined);
    if (text !== undefined && !(await isAlive(text))) await rm(join(folder, name), { force: true });
  }
}

function busy(folder: string, path: string, text: string): PetalfaceError {
  const { pid, host } = JSON.parse(text) as Holder;
  const where = host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
  return new PetalfaceError(
    "PETAL_BUSY",
    `${folder} is being written by ${where}; wait for it or stop it${host === hostname() ? "" : `, and if it has ended, remove ${path}`}`,
  );
}

/**
 * Whether the holder may still be at work. One on another machine cannot be asked. A lock that
 * cannot be read holds nothing.
 */
async function isAlive(text: string): Promise<boolean> {
  let holder: Holder;
  try {
    holder = JSON.parse(text) as Holder;
    if (!Number.isInteger(holder.pid) || holder.pid < 1 || typeof holder.host !== "string") return false;
  } catch {
    return false;
  }
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const started = await startOf(holder.pid);
  return started === "" || holder.started === "" || started === holder.started;
}

/**
 * Start of a process in clock ticks since boot, field 22 of Linux's `/proc/PID/stat`; empty where
 * there is no such file.
 */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field, the program's name, may hold spaces and brackets itself.
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
