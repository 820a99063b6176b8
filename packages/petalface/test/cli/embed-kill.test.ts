import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { isUnfinished } from "../../src/files.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { ended, petalfaceProcess as petalface, start } from "./process.ts";

const folder = temporaryFolder("petalface-embed-kill-");
const model = tinyModelIn(folder);
let env: Record<string, string>;
beforeAll(async () => {
  env = { PETALFACE_CACHE: join(folder, "cache"), PETALFACE_CACHE_GB: "1" };
});

// So many that the process is killed long before its end, also where this one gets little time.
const faces = "synthetic:people=240,images=3,seed=4";
const bytesKept = async (ending: ".rows" | ".keys"): Promise<number> => {
  const names = await readdir(join(folder, "cache"), { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.filter((name) => name.endsWith(ending)).map(async (name) => (await stat(join(folder, "cache", name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
};
const rowsKept = (): Promise<number> => bytesKept(".rows");
const embed = (out: string, ...more: string[]): string[] => [
  ...["embed", "--model", model, "--images", faces, "--out", join(folder, out), "--threads", "1", "--json", ...more],
];

test("embed goes on after kill -9 with what was computed, and evaluate takes the same from there", async () => {
  const child = start(embed("faces.npy"), { env });
  const end = ended(child);
  // A row counts once its key is written, which is after it.
  while ((await bytesKept(".keys")) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill("SIGKILL");
  await end;
  const before = await rowsKept();
  expect(before).toBeGreaterThan(0);
  expect(await readdir(folder)).not.toContain("faces.npy");

  const second = await petalface(embed("faces.npy"), { env });
  expect(second.code, second.stderr).toBe(0);
  const { kept, faces: count, width } = JSON.parse(second.stdout);
  expect(kept).toBeGreaterThan(0);
  expect(kept).toBeLessThan(count);
  expect(await rowsKept()).toBeGreaterThanOrEqual(count * width * 4);
  // Nothing of the killed process is left beside the file.
  expect((await readdir(folder)).filter(isUnfinished)).toEqual([]);

  const fresh = await petalface(embed("fresh.npy", "--no-cache"), { env });
  expect(JSON.parse(fresh.stdout).kept).toBe(0);
  expect(await readFile(join(folder, "faces.npy"))).toEqual(await readFile(join(folder, "fresh.npy")));

  // Every face of the pairs is among those; only the degraded ones are new.
  const measured = await rowsKept();
  const evaluate = [
    "evaluate",
    "--model",
    model,
    "--data",
    faces,
    "--protocol",
    "drawn:pairs=40,folds=2",
    "--threads",
    "1",
  ];
  const sharp = await petalface([...evaluate, "--degrade", "none"], { env });
  expect(sharp.code, sharp.stderr).toBe(0);
  expect(await rowsKept()).toBe(measured);
  await petalface([...evaluate, "--degrade", "lr:6"], { env });
  expect(await rowsKept()).toBeGreaterThan(measured);
  const wrong = await petalface(embed("x.npy"), { env: { ...env, PETALFACE_CACHE_GB: "many" } });
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("PETALFACE_CACHE_GB") });
});
