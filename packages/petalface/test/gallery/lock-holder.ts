import { spawn } from "node:child_process";
import { once } from "node:events";

/** Another process that holds the lock of a gallery's writers. */
export interface LockHolder {
  /** Gives the lock back; resolves when the process has ended. */
  release(): Promise<void>;
}

/** Opens the file that its arguments name, takes the lock, and gives it back at the end of stdin. */
const program = `
  const { DatabaseSync } = require("node:sqlite");
  const [path, kind] = process.argv.slice(1);
  const database = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 600000");
  database.exec("BEGIN " + kind);
  process.stdout.write("locked");
  process.stdin.on("end", () => {
    database.exec("ROLLBACK");
    database.close();
  });
  process.stdin.resume();
`;

/** Starts a {@link LockHolder} on a gallery's file; resolves when it holds the lock. */
export async function holdLock(path: string, kind: "IMMEDIATE" | "EXCLUSIVE" = "IMMEDIATE"): Promise<LockHolder> {
  const child = spawn(process.execPath, ["-e", program, path, kind], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const failed = exited.then(([code]) => {
    throw new Error(`the process that takes the lock ended with ${code}`);
  });
  failed.catch(() => undefined);
  await Promise.race([once(child.stdout, "data"), failed]);
  return {
    async release() {
      child.stdin.end();
      await exited;
    },
  };
}
