import { mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Folders that are still there. Where all tests are skipped, no hook deletes them. */
const left = new Set<string>();
process.once("exit", () => {
  for (const folder of left) rmSync(folder, { recursive: true, force: true });
});

/**
 * A new folder for the tests of a file or of a `describe`. It is deleted after them, and after what
 * their own hooks close.
 *
 * @param name how its name begins
 */
export function temporaryFolder(name = "petalface-test-"): string {
  const folder = mkdtempSync(join(tmpdir(), name));
  left.add(folder);
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
    left.delete(folder);
  });
  return folder;
}
