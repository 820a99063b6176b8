import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { proveSites } from "../../src/adapters/index.ts";
import { vit } from "./networks.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-rows-"));
  vi.stubEnv("PETALFACE_CACHE", folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

test("the rows of a large network are proven once, and what was refused then is refused", async () => {
  const small = vit();
  const proven = await proveSites(small);
  expect(await readdir(folder)).toEqual([]);

  const large = { ...small, parameters: 2 ** 20 };
  expect(await proveSites(large)).toEqual(proven);
  expect(await proveSites(large)).toEqual(proven);
  // As if the first run had refused a layer: the next one believes it, so it did not run again.
  const path = join(folder, "rows", `${large.spec.sha256}.json`);
  const file = JSON.parse(await readFile(path, "utf8")) as { found: unknown };
  expect(file.found).toEqual([]);
  const [first] = proven.sites;
  const refused = { name: first?.name, op: first?.op, reason: "a reason" };
  await writeFile(path, JSON.stringify({ ...file, found: [refused] }));
  expect(await proveSites(large)).toEqual({ sites: proven.sites.slice(1), unfit: [...proven.unfit, refused] });
  // What is no list of layers is not believed.
  await writeFile(path, JSON.stringify({ ...file, found: [{ name: 7 }] }));
  expect(await proveSites(large)).toEqual(proven);
});
