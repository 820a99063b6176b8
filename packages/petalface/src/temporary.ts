import { rmSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning, machineMark } from "onnx-grad/basics";
import { writeFailure } from "./files.ts";

/** A folder for what need not outlive the process. */
export interface TemporaryFolder {
  readonly path: string;
  /** Removes the folder and what is in it. */
  remove(): void;
}

/**
 * Open folders of this process. Only the event "exit" can remove those that an ending process
 * leaves, and it has no other way to know them.
 */
const open = new Set<string>();

/**
 * Makes a folder that goes with the process at the latest. Folders of processes of this machine
 * that were killed are removed first.
 *
 * @param parent the system's folder for temporary files unless given
 * @throws PetalfaceError where it cannot be made
 */
export async function makeTemporary(parent: string = tmpdir()): Promise<TemporaryFolder> {
  const own = `petalface-${machineMark}-`;
  await removeAbandoned(parent, own);
  let path: string;
  try {
    path = await mkdtemp(join(parent, `${own}${process.pid}-`));
  } catch (error) {
    throw writeFailure(parent, error);
  }
  if (open.size === 0) process.on("exit", removeOpen);
  open.add(path);
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true });
      open.delete(path);
      if (open.size === 0) process.off("exit", removeOpen);
    },
  };
}

function removeOpen(): void {
  for (const path of open)
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // The process is ending: the next one tries again.
    }
}

async function removeAbandoned(parent: string, own: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const pid = name.startsWith(own) ? /^(\d+)-\w{6}$/.exec(name.slice(own.length))?.[1] : undefined;
    if (pid !== undefined && !isRunning(Number(pid)))
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
}
