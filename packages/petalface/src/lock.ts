import { readdir, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { isRunning } from "onnx-grad/basics";
import { PetalfaceError } from "./errors.ts";
import { removeUnfinished, writePiecesSafely } from "./files.ts";

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

/**
 * Makes this process the only one that writes into a run. A lock whose process has ended is taken
 * over. Dispose of the result to release the run. Throws PetalfaceError if another process (or
 * another call in this one) holds it.
 */
export async function lockRun(folder: string): Promise<AsyncDisposable> {
  const path = join(folder, lockName);
  const me: Holder = { pid: process.pid, host: hostname(), started: await startOf(process.pid) };
  const own = JSON.stringify(me);
  for (let attempt = 0; !(await created(path, own)); attempt++) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined && (await isAlive(text))) throw busy(folder, path, text);
    if (attempt >= 10) throw new PetalfaceError("PETAL_BUSY", `${path}: this lock cannot be taken over; remove it`);
    if (text !== undefined && (await replaceStale(folder, path, own))) break;
  }
  await removeDead(folder);
  return {
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true }).catch(() => {});
    },
  };
}

/** Writes `text` as the new file `path`; false if there is such a file. */
async function created(path: string, text: string): Promise<boolean> {
  try {
    await writePiecesSafely(path, [Buffer.from(text)], { isNew: true, sync: false });
    return true;
  } catch (error) {
    if (error instanceof Error && (error.cause as NodeJS.ErrnoException | undefined)?.code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Writes `own` over a dead process's lock; false if the lock is not to be had after all. Only who
 * holds a second lock may do it: of two processes that both saw the dead one, the slower would
 * otherwise replace the quicker one's lock.
 */
async function replaceStale(folder: string, path: string, own: string): Promise<boolean> {
  const right = `${path}.takeover.part`;
  if (!(await created(right, own))) {
    const text = await readFile(right, "utf8").catch(() => undefined);
    if (text !== undefined && (await isAlive(text))) throw busy(folder, right, text);
    // Its holder died within the few lines below.
    await rm(right, { force: true });
    return false;
  }
  try {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined || (await isAlive(text))) return false;
    await writePiecesSafely(path, [Buffer.from(own)], { sync: false });
    return true;
  } finally {
    await rm(right, { force: true });
  }
}

/** Removes what processes left that died while they asked for the lock. */
async function removeDead(folder: string): Promise<void> {
  await removeUnfinished(folder);
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
  if (!isRunning(holder.pid) || (await hasEnded(holder.pid))) return false;
  const started = await startOf(holder.pid);
  return started === "" || holder.started === "" || started === holder.started;
}

/**
 * Whether a process has ended that its parent has not asked for yet, such as a rank whose launcher
 * is gone too: it still has its number and its start, but no command line. False where the system
 * does not say it.
 */
const hasEnded = (pid: number): Promise<boolean> =>
  readFile(`/proc/${pid}/cmdline`).then(
    (command) => command.length === 0,
    () => false,
  );

/**
 * Start of a process in clock ticks since boot, field 22 of Linux's `/proc/PID/stat`; empty where
 * there is no such file.
 */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field, the program's name, may hold spaces and brackets itself.
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
