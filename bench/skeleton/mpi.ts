import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Ranks share memory; more of them than cores are allowed, and the user may be root. */
const options = ["--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader"];

/** Runs a program of ours on several ranks by Open MPI; what rank 0 prints last, as JSON. */
export async function runRanks<T>(launcher: string, count: number, program: readonly string[]): Promise<T> {
  const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };
  const args = [...options, "-n", String(count), process.execPath, ...program];
  const { stdout } = await run(launcher, args, { env });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as T;
}
