import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { commandLine, type Ended, ended } from "../cli/process.ts";

/**
 * A launcher of MPI that this machine has, and what it is given so that it works as root, on few
 * cores and on this machine alone.
 */
export interface Launcher {
  readonly name: "Open MPI" | "MPICH";
  readonly path: string;
  readonly options: readonly string[];
}

/** Open MPI refuses root's programs unless it is asked twice. */
const asRoot = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };

const versionOf = (path: string): string =>
  execFileSync(path, ["--version"], { stdio: "pipe", env: { ...process.env, ...asRoot } }).toString();

function find(...names: readonly string[]): string | undefined {
  for (const name of names)
    for (const folder of (process.env.PATH ?? "").split(delimiter))
      try {
        versionOf(join(folder, name));
        return join(folder, name);
      } catch {}
  return undefined;
}

function launchers(): Launcher[] {
  const found: Launcher[] = [];
  const [open, mpich] = [find("mpirun.openmpi", "mpirun"), find("mpirun.mpich", "mpiexec.hydra", "mpirun")];
  if (open !== undefined && /OpenRTE|Open MPI|open-mpi/.test(versionOf(open)))
    found.push({
      name: "Open MPI",
      path: open,
      options: [
        "--allow-run-as-root",
        "--oversubscribe",
        "--mca",
        "btl",
        "self,vader,tcp",
        "--mca",
        "btl_tcp_if_include",
        "lo",
      ],
    });
  if (mpich !== undefined && /HYDRA/.test(versionOf(mpich)))
    found.push({ name: "MPICH", path: mpich, options: ["-disable-auto-cleanup"] });
  return found;
}

/**
 * The launchers of this machine; on Linux only, where tests find the processes that they started.
 */
export const mpiLaunchers: readonly Launcher[] = process.platform === "linux" ? launchers() : [];

/** Starts the command line on several ranks; of several lists of arguments each is one rank's. */
export function startRanks(
  { path, options }: Launcher,
  count: number,
  ...all: readonly (readonly string[])[]
): ChildProcess {
  const command = (args: readonly string[]): string[] => [process.execPath, commandLine, ...args];
  const [first = []] = all;
  const programs =
    all.length === 1
      ? ["-n", String(count), ...command(first)]
      : all.flatMap((args, at) => [...(at === 0 ? [] : [":"]), "-n", "1", ...command(args)]);
  return spawn(path, [...options, ...programs], {
    env: { PETALFACE_CACHE_GB: "0", ...asRoot, ...process.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs the command line on several ranks to its end. */
export const runRanks = (...given: Parameters<typeof startRanks>): Promise<Ended> => ended(startRanks(...given));

/** The process of a rank, by a text that its arguments hold. */
export function processOfRank(rank: number, holds: string): number | undefined {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      if (args[1] !== commandLine || !args.includes(holds)) continue;
      const env = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      if (env.some((line) => line === `OMPI_COMM_WORLD_RANK=${rank}` || line === `PMI_RANK=${rank}`))
        return Number(pid);
    } catch {}
  return undefined;
}
