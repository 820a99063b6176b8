import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors } from "../../src/tensors/index.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { findMount, mount, needsMount, unmount } from "../support/mount.ts";
import { petalface as called, petalfaceProcess as petalface } from "./process.ts";

const canMount = await findMount();

describe.skipIf(!canMount)(`a small disk (${needsMount})`, () => {
  const folder = temporaryFolder("petalface-disk-");
  let disk: string;
  const model = tinyModelIn(folder);

  beforeAll(async () => {
    disk = join(folder, "disk");
    await mkdir(disk);
    expect(mount(disk, "size=1m")).toBe(true);
  });
  afterAll(async () => {
    unmount(disk);
  });

  const adaptInto = (out: string): string[] => [
    ...["adapt", "--model", model, "--train", "synthetic:people=12,images=3", "--out", out, "--rank", "4", "--quiet"],
    ...["--epochs", "30", "--batch", "6", "--lr-pixels", "4,6", "--threads", "1", "--checkpoint-seconds", "0"],
  ];
  const weights = (run: string): Promise<Buffer> => readFile(join(run, "adapter", "adapter_model.safetensors"));

  test("a full or read-only disk is one clear line, and the last checkpoint is whole and goes on", async () => {
    const whole = join(folder, "whole");
    expect((await petalface(adaptInto(whole))).code).toBe(0);

    // Room for the run's beginning, not for its metrics.
    const run = join(disk, "run");
    const ballast = join(disk, "ballast");
    await writeFile(ballast, Buffer.alloc(2 ** 20 - 9 * 4096));
    const full = await petalface(adaptInto(run));
    expect([full.code, full.stdout]).toEqual([1, ""]);
    expect(full.stderr).toMatch(/^petalface: cannot write .*: the disk is full; free some space, then continue\n$/);
    const state = join(run, "checkpoint", "state.safetensors");
    const { metadata } = await readSafetensors(state);
    const step = Number(metadata.get("step"));
    expect(step).toBeLessThan(180);
    const kept = await readFile(state);

    const still = await petalface(["adapt", "--resume", run, "--quiet"]);
    expect(still.code).toBe(1);
    expect(still.stderr).toMatch(/^petalface: cannot write .*the disk is full.*\n$/);
    await readSafetensors(state);

    expect(spawnSync("mount", ["-o", "remount,ro", disk]).status).toBe(0);
    const before = await readFile(state);
    const readOnly = await petalface(["adapt", "--resume", run, "--quiet"]);
    expect(readOnly.code).toBe(1);
    expect(readOnly.stderr).toMatch(/^petalface: cannot write .*: the file system is read-only; .*\n$/);
    const fresh = await petalface(adaptInto(join(disk, "other")));
    expect(fresh.code).toBe(1);
    expect(fresh.stderr).toMatch(/^petalface: cannot make the run folder .*: the file system is read-only; .*\n$/);
    expect(await readFile(state)).toEqual(before);
    expect(before.length).toBe(kept.length);

    expect(spawnSync("mount", ["-o", "remount,rw", disk]).status).toBe(0);
    await rm(ballast);
    const resumed = await petalface(["adapt", "--resume", run, "--quiet"]);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(await weights(run)).toEqual(await weights(whole));
    expect(await readFile(join(run, "metrics.jsonl"))).toEqual(await readFile(join(whole, "metrics.jsonl")));
  });

  test("a command that finds it full at its start says so, and leaves no folder that it made", async () => {
    const full = join(disk, "full");
    await writeFile(full, Buffer.alloc(2 ** 20)).catch(() => undefined);
    const out = join(disk, "new", "folder");
    const faces = "synthetic:people=2,images=1";
    for (const args of [
      adaptInto(out),
      ["degrade", faces, out, "--to", "lr:8"],
      ["embed", "--model", model, "--images", faces, "--out", join(out, "faces.npy")],
      ["export", "--model", model, "--out", join(out, "face.onnx")],
      ["data", "pack", faces, "--out", join(out, "set.rec")],
      ["gallery", "create", join(out, "gallery.db"), "--model", model],
      ["keys", "add", join(out, "keys.json"), "--scopes", "search"],
    ]) {
      const { code, stderr } = await called([...args, "--quiet"]);
      expect([code, stderr], args[0]).toEqual([
        1,
        expect.stringMatching(/^petalface: cannot write .*: the disk is full; .*\n$/),
      ]);
      expect((await readdir(disk)).includes("new"), args[0]).toBe(false);
    }
    await rm(full);
  });

  test("an export that finds it full says so, and leaves nothing", async () => {
    const full = join(disk, "full");
    await writeFile(full, Buffer.alloc(2 ** 20)).catch(() => undefined);
    const out = join(disk, "face.onnx");
    const { code, stdout, stderr } = await petalface(["export", "--model", model, "--out", out, "--json"]);
    expect(code, stderr).toBe(1);
    expect(JSON.parse(stdout).error).toEqual({
      code: "PETAL_OUTPUT_FAILED",
      message: `cannot write ${out}: the disk is full; free some space, then continue`,
    });
    await rm(full);
    expect((await readdir(disk)).filter((name) => name.includes("face") || name.includes("part"))).toEqual([]);
  });
});
