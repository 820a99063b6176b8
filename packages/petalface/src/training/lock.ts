import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { PetalfaceError } from "../errors.ts";
import { writeFailure } from "../files.ts";

/** Name of the lock file in a run's folder. */
export const lockName = "lock.json";

/** Who holds a lock. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process was started, in the system's own unit where it says so: another process may have its number later. */
  readonly started: string;
}

let taken = 0;

/**
 * Makes this process the only one that writes into a run. A lock whose process has ended is taken over.
 * Dispose of the result to give the run free again. Throws PetalfaceError if another process (or another call in this one) holds it.
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
    for (let attempt = 0; ; attempt++) {
      try {
        await link(own, path);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw writeFailure(path, error);
      }
      const text = await readFile(path, "utf8").catch(() => "");
      if (text !== "" && (await isAlive(text))) throw busy(folder, path, text);
      if (attempt >= 10) throw new PetalfaceError(`${path}: this lock cannot be taken over; remove it`);
      await removeStale(path, text, `${own}.stale`);
    }
  } finally {
    await rm(own, { force: true });
  }
  return {
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true }).catch(() => {});
    },
  };
}

/** Moves a dead process's lock away; if another process was quicker and this is already its lock, puts it back. */
async function removeStale(path: string, text: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, "utf8").catch(() => "")) !== text) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

function busy(folder: string, path: string, text: string): PetalfaceError {
  const { pid, host } = JSON.parse(text) as Holder;
  const where = host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
  return new PetalfaceError(
    `${folder} is being written by ${where}; wait for it or stop it${host === hostname() ? "" : `, and if it has ended, remove ${path}`}`,
  );
}

/** Whether the holder may still be at work. One on another machine cannot be asked. A lock that cannot be read holds nothing. */
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

/** Start of a process in clock ticks since boot, field 22 of Linux's `/proc/PID/stat`; empty where there is no such file. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field, the program's name, may hold spaces and brackets itself.
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
