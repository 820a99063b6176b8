import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Mounts a small file system in memory; needs root. */
export const mount = (place: string, ...options: string[]): boolean =>
  spawnSync("mount", ["-t", "tmpfs", "-o", options.join(), "none", place]).status === 0;

export const unmount = (place: string): void => void spawnSync("umount", [place]);

/** Why tests of full disks are skipped where they cannot run. */
export const needsMount = "needs the right to mount a disk";

/** Whether this process may mount file systems. */
export async function findMount(): Promise<boolean> {
  const place = await mkdtemp(join(tmpdir(), "petalface-mount-"));
  const works = mount(place, "size=64k");
  if (works) unmount(place);
  await rm(place, { recursive: true, force: true });
  return works;
}
