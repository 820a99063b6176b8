import { mkdtemp, open, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { outlive } from "../../src/cluster/mpi/launcher.ts";

/** Other processes that hold a file open. */
async function holdersOf(path: string): Promise<number> {
  let count = 0;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid))
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => []))
      if ((await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")) === path) count++;
  return count;
}

describe("outlive", () => {
  it.skipIf(process.platform !== "linux")(
    "holds the launcher's connection, and nobody does after letting go",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "petalface-launcher-"));
      const path = join(folder, "connection");
      const file = await open(path, "w");
      try {
        const letGo = outlive({ PMI_FD: String(file.fd) });
        await expect.poll(() => holdersOf(path)).toBe(1);
        await letGo();
        expect(await holdersOf(path)).toBe(0);
        await letGo();
      } finally {
        await file.close();
        await rm(folder, { recursive: true });
      }
    },
  );

  it("does nothing without MPICH's launcher, and goes on where no process can be started", async () => {
    await outlive({})();
    await outlive({ PMI_FD: "1000000" })();
  });
});
