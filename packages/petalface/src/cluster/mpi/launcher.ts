import { type ChildProcess, spawn } from "node:child_process";

/** Seconds that the survivors have to say which rank has died. */
const seconds = 4;

/**
 * Keeps what MPICH's launcher knows a rank by open for some seconds after the rank has died. Hydra
 * otherwise kills the other ranks within milliseconds, also with `-disable-auto-cleanup`, and no
 * line says who died: the end of the rank's connection or of its output wakes it, and then it
 * looks for dead processes. The small process that holds them ends by itself.
 *
 * @returns lets go of them; to be called before a rank ends by itself
 */
export function outlive(env: NodeJS.ProcessEnv): () => void {
  const connection = Number(env.PMI_FD);
  if (env.PMI_FD === undefined || !Number.isInteger(connection) || connection < 0) return () => undefined;
  const holder: ChildProcess = spawn("/bin/sh", ["-c", `cat; sleep ${seconds}`], {
    // Its input ends with this process.
    stdio: ["pipe", "ignore", "ignore", connection, 1, 2],
  });
  // Without it, training works all the same.
  holder.on("error", () => undefined);
  holder.stdin?.on("error", () => undefined);
  holder.unref();
  if (holder.stdin !== null && "unref" in holder.stdin && typeof holder.stdin.unref === "function")
    holder.stdin.unref();
  return () => void holder.kill("SIGKILL");
}
