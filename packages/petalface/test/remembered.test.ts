import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isStrings, remembered } from "../src/remembered.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-remembered-"));
  vi.stubEnv("PETALFACE_CACHE", folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const sha256 = "a".repeat(64);

/** Asks for what is remembered, and says whether it had to be found. */
async function ask(found: readonly string[], key = sha256): Promise<{ got: string[]; anew: boolean }> {
  let anew = false;
  const got = await remembered(
    "test",
    key,
    async () => {
      anew = true;
      return [...found];
    },
    isStrings,
  );
  return { got, anew };
}

test("what was found out about a model is not found out again", async () => {
  expect(await ask(["one"])).toEqual({ got: ["one"], anew: true });
  expect(await ask(["two"])).toEqual({ got: ["one"], anew: false });
  expect(await ask(["two"], "b".repeat(64))).toEqual({ got: ["two"], anew: true });
});

test("a file of another version, of another kind or cut off counts for nothing", async () => {
  await ask(["one"]);
  const path = join(folder, "test", `${sha256}.json`);
  const text = await readFile(path, "utf8");
  for (const damaged of [
    text.replace("node", "nodes"),
    text.replace('["one"]', "[1]"),
    text.slice(0, -5),
    "null",
    "",
  ]) {
    await writeFile(path, damaged);
    expect(await ask(["two"])).toEqual({ got: ["two"], anew: true });
    await writeFile(path, text);
  }
  expect(await readdir(join(folder, "test"))).toEqual([`${sha256}.json`]);
});

test("a cache that cannot be written remembers nothing and disturbs nobody", async () => {
  await writeFile(join(folder, "file"), "");
  vi.stubEnv("PETALFACE_CACHE", join(folder, "file"));
  expect(await ask(["one"])).toEqual({ got: ["one"], anew: true });
  expect(await ask(["two"])).toEqual({ got: ["two"], anew: true });
});
