import { mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { writeTinyBackbone } from "./backbone.ts";

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

/** The tiny network in a folder, written before the tests of a file or of a `describe`. */
export function tinyModelIn(folder: string, name = "tiny.onnx"): string {
  const path = join(folder, name);
  beforeAll(() => writeTinyBackbone(path));
  return path;
}
