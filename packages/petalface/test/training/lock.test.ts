import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { lockName, lockRun } from "../../src/lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-lock-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const holder = (changes: object): string =>
  JSON.stringify({ pid: process.pid, host: hostname(), started: "", ...changes });

it("is held by one, and free again after it", async () => {
  {
    await using _held = await lockRun(folder);
    await expect(lockRun(folder)).rejects.toThrow(`is being written by process ${process.pid}`);
    expect(JSON.parse(await readFile(join(folder, lockName), "utf8"))).toMatchObject({ pid: process.pid });
  }
  expect(await readdir(folder)).toEqual([]);
  await using _again = await lockRun(folder);
});

it("goes to exactly one of many that want it at once, also when a dead one holds it", async () => {
  await writeFile(join(folder, lockName), holder({ pid: 2 ** 30 }));
  const results = await Promise.allSettled(Array.from({ length: 12 }, () => lockRun(folder)));
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await readdir(folder)).toEqual([lockName]);
});

it.each([
  ["a process that has ended", holder({ pid: 2 ** 30 })],
  ["an earlier process of the same number", holder({ started: "1" })],
  ["nobody: a torn file", '{"pid": 1'],
  ["nobody: an empty file", ""],
  ["nobody: another document", '{"pid": "x"}'],
])("is taken over from %s", async (_, text) => {
  await writeFile(join(folder, lockName), text);
  await using _held = await lockRun(folder);
  expect(JSON.parse(await readFile(join(folder, lockName), "utf8"))).toMatchObject({ pid: process.pid });
});

it.skipIf(process.platform !== "linux")("is taken over from a process that has ended unasked for", async () => {
  // The shell becomes another program, which never asks for the child that it has. The child ends with its input.
  const parent = spawn("/bin/sh", ["-c", "(read line <&3) & echo $!; exec sleep 600 3<&-"], {
    stdio: ["ignore", "pipe", "ignore", "pipe"],
  });
  try {
    const pid = Number(await new Promise((resolve) => parent.stdout?.once("data", resolve)));
    const program = (): Promise<string> => readFile(`/proc/${parent.pid}/cmdline`, "utf8");
    await expect.poll(program, { timeout: 60_000 }).toMatch(/^sleep/);
    parent.stdio[3]?.destroy();
    const stateOf = async () => (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "")[0];
    await expect.poll(stateOf, { timeout: 60_000 }).toBe("Z");
    await writeFile(join(folder, lockName), holder({ pid }));
    await using _held = await lockRun(folder);
    expect(JSON.parse(await readFile(join(folder, lockName), "utf8"))).toMatchObject({ pid: process.pid });
  } finally {
    parent.kill("SIGKILL");
  }
});

it("is left to a process of another machine, which cannot be asked", async () => {
  await writeFile(join(folder, lockName), holder({ host: "elsewhere.example", pid: 1 }));
  await expect(lockRun(folder)).rejects.toThrow(
    /process 1 on elsewhere\.example; .* if it has ended, remove .*lock\.json/,
  );
});
