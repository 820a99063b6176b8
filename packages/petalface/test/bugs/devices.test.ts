import { execFileSync, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { petalface } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-devices-");
const at = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  await writeTinyBackbone(at("tiny.onnx"));
  await mkdir(at("a folder"));
  await mkdir(at("photos"));
  await petalface(["gallery", "create", at("people.db"), "--model", at("tiny.onnx"), "--quiet"]);
});

/** Commands that read a file whole, given where it should be. */
const commands: Readonly<Record<string, (file: string) => string[]>> = {
  "keys list": (file) => ["keys", "list", file],
  "keys add": (file) => ["keys", "add", file, "--scopes", "search"],
  "serve --keys": (file) => ["serve", "--gallery", at("none.db"), "--keys", file],
  "serve --tls-cert": (file) => ["serve", "--gallery", at("none.db"), "--open", "--tls-cert", file, "--tls-key", file],
  "watch --key-file": (file) => [
    ...["watch", at("photos"), "--gallery", "g", "--server", "http://127.0.0.1:9"],
    ...["--model", at("tiny.onnx"), "--key-file", file],
  ],
  "export --detector": (file) => [
    ...["export", "--model", at("tiny.onnx"), "--out", at("out")],
    ...["--for", "insightface", "--detector", file],
  ],
  "export --thresholds": (file) => [
    ...["export", "--model", at("tiny.onnx"), "--out", at("out.onnx"), "--thresholds", file],
  ],
  compare: (file) => ["compare", file, file],
  "evaluate --protocol": (file) => [
    ...["evaluate", "--model", at("tiny.onnx"), "--data", "synthetic:people=4,images=2", "--protocol", file],
  ],
};

describe.runIf(process.platform === "linux")("a device or a folder in place of a file (needs Linux)", () => {
  describe.each(Object.entries(commands))("%s", (_name, args) => {
    test.each([["/dev/zero"], [at("a folder")]])("%s is one clear line", async (file) => {
      const { code, stderr, stdout } = await petalface(args(file));
      expect([1, 2], stderr).toContain(code);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^petalface: [^\n]*\n$/);
      expect(stderr).toMatch(/device|folder|director|cannot be read|EISDIR|no results/);
    });
  });

  test("gallery add counts it as a photo that cannot be read", async () => {
    const { code, stdout, stderr } = await petalface(["gallery", "add", at("people.db"), "/dev/zero", "--person", "A"]);
    expect([code, stdout.split(" in ")[0]], stderr).toEqual([1, "0 faces enrolled"]);
    expect(stdout + stderr).toMatch(/it is (a device, )?not a file/);
  });

  test("a pipe is read to its end", async () => {
    execFileSync("mkfifo", [at("pipe")]);
    const writer = spawn("tee", [at("pipe")], { stdio: ["pipe", "ignore", "inherit"] });
    writer.stdin.end("{}");
    expect((await petalface(["keys", "list", at("pipe")])).stderr).toMatch(/no file of keys/);
  });
});
