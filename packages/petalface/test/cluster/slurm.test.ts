import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandLine, ended, petalfaceProcess } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { mpiLaunchers } from "../support/mpi.ts";
import { bitsOfRun } from "../support/runs.ts";
import { hasSlurm, needsSlurm, srun, startSlurm } from "../support/slurm.ts";

// Debian's Slurm brings its own PMI-2, which MPICH speaks; PMIx for Open MPI is a package of its
// own.
const ready = hasSlurm() && mpiLaunchers.some(({ name }) => name === "MPICH");

describe.skipIf(!ready)(`Slurm on one node (${needsSlurm}, and MPICH)`, () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "petalface-srun-"));
    await writeTinyBackbone(join(folder, "tiny.onnx"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("srun -n 2 gives the bits of one process with --accumulate 2", async () => {
    await using slurm = await startSlurm();
    const adaptInto = (out: string): string[] => [
      ...["adapt", "--model", join(folder, "tiny.onnx"), "--train", "synthetic:people=12,images=2", "--out", out],
      ...["--rank", "4", "--batch", "12", "--accumulate", "2", "--sites", "all", "--lr-pixels", "4,6"],
      ...["--epochs", "2", "--threads", "1", "--quiet"],
    ];
    const [whole, out] = [join(folder, "whole"), join(folder, "tasks")];
    expect((await petalfaceProcess(adaptInto(whole))).code).toBe(0);
    const { code, stderr } = await ended(srun(slurm, 2, "pmi2", [process.execPath, commandLine, ...adaptInto(out)]));
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(await bitsOfRun(out)).toEqual(await bitsOfRun(whole));
  });
});
