import { type ChildProcess, spawn } from "node:child_process";

/** Seconds that the survivors have to say which rank has died. */
const seconds = 4;

/**
 * Keeps what MPICH's launcher knows a rank by open for some seconds after the rank has died. Hydra
 * otherwise kills the other ranks within milliseconds, also with `-disable-auto-cleanup`, and no
 * line says who died: the end of the rank's connection or of its output wakes it, and then it
 * looks for dead processes. The small process that holds them ends by itself.
 *
 * @returns lets go of them; to be awaited before a rank ends by itself. Hydra counts a rank whose
 *   connection ends after its process as killed by signal 1, whatever its exit code was.
 */
export function outlive(env: NodeJS.ProcessEnv): () => Promise<void> {
  const connection = Number(env.PMI_FD);
  if (env.PMI_FD === undefined || !Number.isInteger(connection) || connection < 0) return async () => undefined;
  const holder = hold(connection);
  return async () => {
    // Without a process number it never began.
    if (holder?.pid === undefined || holder.exitCode !== null || holder.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      holder.ref();
      holder.once("exit", () => resolve());
      holder.kill("SIGKILL");
    });
  };
}

/** Starts the process that holds them. Without it training works all the same. */
function hold(connection: number): ChildProcess | undefined {
  let holder: ChildProcess;
  try {
    // One process from beginning to end: a child of it would hold on after it was killed. Its
    // input ends with this process.
    holder = spawn("/bin/sh", ["-c", `read line; exec sleep ${seconds}`], {
      stdio: ["pipe", "ignore", "ignore", connection, 1, 2],
    });
  } catch {
    // There is too little memory, or there are too many processes.
    return undefined;
  }
  holder.on("error", () => undefined);
  holder.stdin?.on("error", () => undefined);
  holder.unref();
  if (holder.stdin !== null && "unref" in holder.stdin && typeof holder.stdin.unref === "function")
    holder.stdin.unref();
  return holder;
}
