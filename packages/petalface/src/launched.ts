/** What the environment says of the program that started this process as one of several. */
export interface Launch {
  /** Which MPI its launcher belongs to, as far as it says so. */
  readonly kind: "Open MPI" | "MPICH" | "unknown";
  /** How many processes it started, where it says so. */
  readonly count: number | undefined;
}

/**
 * Whether `mpirun`, `mpiexec` or `srun` started this process; undefined where it was started by
 * itself. A script of `sbatch` has Slurm's variables too, but no step of several tasks.
 */
export function launchOf(env: NodeJS.ProcessEnv): Launch | undefined {
  const count = (name: string): number | undefined => {
    const value = Number(env[name]);
    return env[name] !== undefined && Number.isInteger(value) && value > 0 ? value : undefined;
  };
  const openMpi = count("OMPI_COMM_WORLD_SIZE");
  if (openMpi !== undefined) return { kind: "Open MPI", count: openMpi };
  const tasks = env.SLURM_STEP_ID === undefined ? undefined : count("SLURM_STEP_NUM_TASKS");
  const process = count("PMI_SIZE");
  if (env.PMIX_RANK !== undefined) return { kind: "Open MPI", count: process ?? tasks };
  if (env.PMI_RANK !== undefined || process !== undefined) return { kind: "MPICH", count: process ?? tasks };
  return tasks !== undefined && tasks > 1 ? { kind: "unknown", count: tasks } : undefined;
}

/**
 * Names under which the system finds an MPI library, the likeliest first. Both implementations call
 * theirs libmpi; the number behind it tells them apart.
 */
export function libraryNames(kind: Launch["kind"], env: NodeJS.ProcessEnv, platform: NodeJS.Platform): string[] {
  if (env.PETALFACE_MPI) return [env.PETALFACE_MPI];
  const names =
    platform === "darwin"
      ? { open: ["libmpi.40.dylib"], mpich: ["libmpi.12.dylib", "libmpich.12.dylib"], any: ["libmpi.dylib"] }
      : { open: ["libmpi.so.40"], mpich: ["libmpich.so.12", "libmpi.so.12"], any: ["libmpi.so"] };
  if (kind === "Open MPI") return [...names.open, ...names.any];
  if (kind === "MPICH") return [...names.mpich, ...names.any];
  return [...names.open, ...names.mpich, ...names.any];
}
