import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, PetalfaceError, systemCode } from "../../errors.ts";
import { isUnfinished, makeFolder, writeFileSafely } from "../../files.ts";
import { lockName } from "../../lock.ts";
import { refusePlaceholder } from "../../placeholder.ts";
import { trainingOptions } from "../options/options.ts";
import type { RunRecord } from "./record.ts";

const runFile = (folder: string): string => join(folder, "run.json");

/**
 * Makes the folder of a new run. Dispose of the result when the run ends: a folder that was made
 * and that nothing was written into is removed. Throws PetalfaceError if it cannot be made.
 */
export async function makeRunFolder(folder: string): Promise<AsyncDisposable> {
  try {
    return await makeFolder(folder);
  } catch (error) {
    if (!(error instanceof PetalfaceError)) throw error;
    throw new PetalfaceError(
      "PETAL_OUTPUT_FAILED",
      error.message.replace("cannot write", "cannot make the run folder"),
      { cause: error },
    );
  }
}

/**
 * Whether a new run's folder may hold an entry of this name: its lock, unfinished writes, and the
 * faces that were aligned for it.
 */
export const mayBeginWith = (name: string): boolean =>
  name.startsWith(lockName) || name === "aligned" || isUnfinished(name);

/**
 * Throws PetalfaceError if the folder holds anything that a new run's may not. It may be missing.
 */
export async function requireEmpty(folder: string): Promise<void> {
  const names = await readdir(folder).catch((cause: unknown) => {
    if (systemCode(cause) === "ENOENT") return [];
    throw cause;
  });
  if (!names.every(mayBeginWith))
    throw new PetalfaceError(
      "PETAL_OUTPUT_EXISTS",
      `${folder} is not empty; give another 'out', or continue it with 'resume' ${folder}`,
    );
}

/** Writes `run.json`. */
export const writeRun = (folder: string, record: RunRecord): Promise<void> =>
  writeFileSafely(runFile(folder), `${JSON.stringify(record, null, 2)}\n`);

/** Reads `run.json`. Throws PetalfaceError if the folder is not a run. */
export async function readRun(folder: string): Promise<RunRecord> {
  let text: string;
  try {
    text = await readFile(runFile(folder), "utf8");
  } catch {
    throw new PetalfaceError("PETAL_RUN_MISSING", `${folder} is not a run: it has no run.json`);
  }
  refusePlaceholder(text, runFile(folder));
  try {
    const record = JSON.parse(text) as RunRecord;
    if (record.format !== 1) throw new Error(`format ${JSON.stringify(record.format)} is not known`);
    return { ...record, options: trainingOptions(record.options) };
  } catch (error) {
    throw new PetalfaceError("PETAL_RUN_DAMAGED", `${runFile(folder)}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
