import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

/** Slurm on this machine alone: a controller and one node. */
export interface Slurm extends AsyncDisposable {
  /** What `srun` needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Why tests that need Slurm are skipped where it is not. */
export const needsSlurm = "needs root and Debian's packages slurmctld, slurmd, slurm-client and munge";

const isThere = (program: string, option: string): boolean => {
  try {
    execFileSync(program, [option], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
};

/**
 * Whether Slurm can be started here: its node runs programs as their users, which root alone may
 * do.
 */
export const hasSlurm = (): boolean =>
  process.getuid?.() === 0 &&
  ["slurmctld", "slurmd"].every((program) => isThere(program, "-V")) &&
  isThere("munged", "--version");

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const place = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (place === null || typeof place === "string") throw new Error("no port is free");
  return place.port;
}

/** Starts Slurm in a temporary folder, without systemd, on loopback. */
export async function startSlurm(): Promise<Slurm> {
  const folder = await mkdtemp(join(tmpdir(), "petalface-slurm-"));
  const name = hostname().split(".")[0] ?? "localhost";
  const place = (file: string): string => join(folder, file);
  for (const part of ["state", "spool"]) await mkdir(place(part));
  const key = place("munge.key");
  await writeFile(key, randomBytes(1024), { mode: 0o400 });
  const cpus = Number(/CPUs=(\d+)/.exec(execFileSync("slurmd", ["-C"]).toString())?.[1] ?? 1);
  const [controller, node] = [await freePort(), await freePort()];
  const config = place("slurm.conf");
  await writeFile(
    config,
    [
      ...["ClusterName=test", `SlurmctldHost=${name}(127.0.0.1)`, "SlurmUser=root", "SlurmdUser=root"],
      ...["AuthType=auth/munge", `AuthInfo=socket=${place("munge.socket")}`],
      ...[`StateSaveLocation=${place("state")}`, `SlurmdSpoolDir=${place("spool")}`],
      ...[`SlurmctldPidFile=${place("slurmctld.pid")}`, `SlurmdPidFile=${place("slurmd.pid")}`],
      ...[`SlurmctldPort=${controller}`, `SlurmdPort=${node}`],
      ...[`SlurmctldLogFile=${place("slurmctld.log")}`, `SlurmdLogFile=${place("slurmd.log")}`],
      ...["ProctrackType=proctrack/pgid", "TaskPlugin=task/none", "SelectType=select/cons_tres"],
      ...["JobAcctGatherType=jobacct_gather/none", "ReturnToService=2"],
      `NodeName=${name} NodeAddr=127.0.0.1 CPUs=${cpus} State=UNKNOWN`,
      `PartitionName=all Nodes=${name} Default=YES OverSubscribe=YES MaxTime=INFINITE State=UP`,
      "",
    ].join("\n"),
  );
  const env = { SLURM_CONF: config };
  const begin = (program: string, ...args: string[]): void => {
    execFileSync(program, args, { env: { ...process.env, ...env }, stdio: "pipe" });
  };
  // Temporary folders are not of the kind that munged likes: it warns instead of refusing.
  const munge = [`--key-file=${key}`, `--socket=${place("munge.socket")}`, `--pid-file=${place("munged.pid")}`];
  const stop = async (): Promise<void> => {
    for (const program of ["slurmd", "slurmctld", "munged"]) {
      const pid = Number(await readFile(place(`${program}.pid`), "utf8").catch(() => ""));
      if (pid > 0)
        try {
          process.kill(pid, "SIGTERM");
        } catch {}
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    begin("munged", "--force", ...munge, `--log-file=${place("munged.log")}`, `--seed-file=${place("munge.seed")}`);
    begin("slurmctld", "-f", config);
    begin("slurmd", "-f", config, "-N", name);
    for (let attempt = 0; ; attempt++) {
      const [state = ""] = execFileSync("sinfo", ["-h", "-o", "%T"], { env: { ...process.env, ...env } })
        .toString()
        .split("\n");
      if (/^(idle|mixed)/.test(state)) break;
      if (attempt === 100) throw new Error(`Slurm's node is ${state}`);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { env, [Symbol.asyncDispose]: stop };
}

/** Starts a program as several tasks. */
export const srun = (slurm: Slurm, tasks: number, mpi: string, command: readonly string[]) =>
  spawn("srun", ["--overcommit", `--mpi=${mpi}`, "-n", String(tasks), ...command], {
    env: { PETALFACE_CACHE_GB: "0", ...process.env, ...slurm.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
