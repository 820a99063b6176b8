import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { prepareDemoFolder } from "../../src/api/demo/folder.ts";
import { claimOutputs, recordName } from "../../src/api/outputs.ts";
import { prepareCache } from "../../src/cli/cache-folder.ts";
import { openOptionalStore } from "../../src/embeddings/index.ts";
import { isUnfinished, makeFolder, removeUnfinished, writeFileSafely, writePiecesSafely } from "../../src/files.ts";
import { makeTemporary } from "../../src/temporary.ts";
import { petalface } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-files-");
let model: string;
let model2: string;
const at = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  model = at("tiny.onnx");
  model2 = at("tiny2.onnx");
  await writeTinyBackbone(model);
  await writeTinyBackbone(model2, 2);
});

const notes: string[] = [];
const asked = (force: boolean) => ({ force, note: (line: string) => notes.push(line) });

/** Writes a file as a command would: claimed before, recorded after. */
async function write(path: string, text: string, force = false, inputs: string[] = []): Promise<void> {
  await using _outputs = await claimOutputs([path], asked(force), { inputs });
  await writeFileSafely(path, text);
}

describe("outputs", () => {
  test("a file of ours is replaced, one of somebody else or changed since is not", async () => {
    const path = at("own", "line\nbreak.csv");
    await write(path, "one");
    await write(path, "two");
    expect(await readFile(path, "utf8")).toBe("two");
    await writeFile(path, "two, and my labels");
    await expect(write(path, "three")).rejects.toThrow(/line.*is there already, and petalface did not write it/s);
    expect(await readFile(path, "utf8")).toBe("two, and my labels");
    await write(path, "four", true);
    await write(path, "five");
    expect(await readFile(path, "utf8")).toBe("five");
    // The record is GNU sha256sum's own form, which begins a line with a backslash where a name is
    // escaped.
    const last = createHash("sha256").update("five").digest("hex");
    const record = await readFile(at("own", recordName), "utf8");
    expect(record.trimEnd().split("\n").at(-1)).toBe(`\\${last}  line\\nbreak.csv`);
  });

  test("a copy of our file elsewhere, a folder, a device and an input are not replaced", async () => {
    await write(at("a.json"), "{}");
    await mkdir(at("elsewhere"));
    await cp(at("a.json"), at("elsewhere", "a.json"));
    await expect(write(at("elsewhere", "a.json"), "new")).rejects.toThrow("did not write it");
    await expect(write(at("elsewhere"), "new", true)).rejects.toThrow("is a folder");
    await expect(write("/dev/null", "new", true)).rejects.toThrow("not a regular file");
    await symlink(at("a.json"), at("link.json"));
    await expect(write(at("a.json"), "new", true, [at("link.json")])).rejects.toThrow("is what this command reads");
    await expect(claimOutputs([at("x"), at("x")], asked(false))).rejects.toThrow("written twice");
    await expect(write(at("a.json", "below"), "new")).rejects.toThrow(
      /cannot write .*below: a part of its path is a file/,
    );
  });

  test("what a failed command wrote is known, what it did not write is not", async () => {
    await writeFile(at("theirs.txt"), "theirs");
    const work = async () => {
      await using _outputs = await claimOutputs([at("half.txt"), at("never.txt")], asked(false));
      await writeFileSafely(at("half.txt"), "half");
      throw new Error("the work failed");
    };
    await expect(work()).rejects.toThrow("the work failed");
    await write(at("half.txt"), "whole");
    expect(await readFile(at(recordName), "utf8")).not.toMatch(/never|theirs/);
  });

  test("a long record is cut to the newest lines", async () => {
    const one = `${"0".repeat(64)}  old.txt\n`;
    await mkdir(at("long"));
    await writeFile(at("long", recordName), one.repeat(1000));
    await write(at("long", "new.txt"), "new");
    const record = await readFile(at("long", recordName), "utf8");
    expect(record.split("\n")).toHaveLength(3);
    await write(at("long", "new.txt"), "newer");
  });

  test("a demo's folder: an earlier demo goes, the user's files in it do not", async () => {
    const out = at("demo");
    const prepare = async (force = false): Promise<void> => {
      await using _outputs = await prepareDemoFolder(out, { ...asked(force) } as never);
    };
    await prepare();
    await mkdir(join(out, "full"), { recursive: true });
    await writeFile(join(out, "full", "thesis.txt"), "mine");
    await expect(prepare()).rejects.toThrow(/holds "full.thesis.txt", which is not part of a demo/);
    await prepare(true);
    expect(await readdir(out)).toEqual([]);
    await writeFile(join(out, "report.html"), "mine");
    await expect(prepare()).rejects.toThrow(/report.html is there already/);
  });
});

describe("commands", () => {
  const cases: readonly (readonly [name: string, file: string, args: (file: string) => string[]])[] = [
    [
      "embed",
      "faces.csv",
      (f) => ["embed", "--model", model, "--images", "synthetic:people=2,images=1", "--out", f.replace(".csv", ".npy")],
    ],
    [
      "data pack",
      "set.idx",
      (f) => ["data", "pack", "synthetic:people=2,images=1", "--out", f.replace(".idx", ".rec")],
    ],
    ["quality", "page.html", (f) => ["quality", "synthetic:people=2,images=2", "--metric", "sharpness", "--report", f]],
    ["inspect", "audit.html", (f) => ["inspect", "synthetic:people=2,images=2", "--report", f]],
    ["degrade", "sheet.png", (f) => ["degrade", "synthetic:people=2,images=1", "--to", "lr:8", "--sheet", f]],
    [
      "evaluate",
      "frozen.json",
      (f) => [
        "evaluate",
        "--model",
        model,
        "--protocol",
        "drawn:pairs=20,folds=2",
        "--data",
        "synthetic:people=12,images=2",
        "--degrade",
        "none",
        "--resamples",
        "5",
        "--out",
        join(f, ".."),
      ],
    ],
  ];
  test.each(cases)("%s leaves a file that it did not write, and replaces its own", async (name, file, args) => {
    const place = at(`by ${name}`);
    await mkdir(place);
    const path = join(place, file);
    await writeFile(path, "mine");
    const refused = await petalface(args(path));
    expect([refused.code, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toMatch(new RegExp(`^petalface: .*${file} is there already, .*--force to replace it\\n$`));
    expect(await readFile(path, "utf8")).toBe("mine");
    // Nothing else was begun.
    expect(await readdir(place)).toEqual([file]);
    const forced = await petalface([...args(path), "--force", "--quiet"]);
    expect(forced.code, forced.stderr).toBe(0);
    expect(await readFile(path, "utf8")).not.toBe("mine");
    const again = await petalface([...args(path), "--quiet"]);
    expect(again.code, again.stderr).toBe(0);
    expect((await readdir(place)).filter(isUnfinished)).toEqual([]);
  });

  test("export does not replace the model that it is made from, even where it is forced", async () => {
    const before = await readFile(model2);
    const args = ["export", "--model", model2, "--adapter", at("no-adapter"), "--out", model2];
    const { code, stderr } = await petalface([...args, "--force"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("is what this command reads")]);
    expect(await readFile(model2)).toEqual(before);
  });
});

describe("unfinished files", () => {
  test("a failing write leaves nothing, names the file, and passes on the pieces' own failure", async () => {
    const own = new Error("the source failed");
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("part");
      throw own;
    }
    await mkdir(at("writes"));
    await writeFile(at("writes", "x"), "old");
    await expect(writePiecesSafely(at("writes", "x"), pieces())).rejects.toBe(own);
    expect(await readdir(at("writes"))).toEqual(["x"]);
    expect(await readFile(at("writes", "x"), "utf8")).toBe("old");
    await mkdir(at("writes", "folder"));
    await expect(writeFileSafely(at("writes", "folder"), "text")).rejects.toThrow(
      `cannot write ${at("writes", "folder")}: it is a folder; name a file in it`,
    );
    await expect(writeFileSafely("/proc/nothing/here", "text")).rejects.toThrow(
      /^cannot write \/proc\/nothing\/here: (?!.*unfinished)/,
    );
  });

  test("links are followed and modes kept", async () => {
    await writeFile(at("target"), "old", { mode: 0o640 });
    await symlink(at("target"), at("to-target"));
    await writeFileSafely(at("to-target"), "new");
    expect(await readFile(at("target"), "utf8")).toBe("new");
    expect(execFileSync("stat", ["-c", "%a %F", at("target")], { encoding: "utf8" })).toBe("640 regular file\n");
    expect(execFileSync("stat", ["-c", "%F", at("to-target")], { encoding: "utf8" })).toBe("symbolic link\n");
  });

  test("only our own names are removed, of processes that have ended", async () => {
    await mkdir(at("killed"));
    const code = `import { openAtomicFile } from "onnx-grad";
      const file = await openAtomicFile(${JSON.stringify(at("killed", "x"))});
      await file.write(Buffer.from("part"));
      process.kill(process.pid, "SIGKILL");`;
    expect(() =>
      execFileSync(process.execPath, ["--input-type=module-typescript", "-e", code], {
        cwd: import.meta.dirname,
        stdio: "pipe",
      }),
    ).toThrow();
    for (const name of ["film.mkv.part", "log.json.1", ".unfinished"]) await writeFile(at("killed", name), "theirs");
    expect((await readdir(at("killed"))).filter(isUnfinished)).toHaveLength(1);
    await removeUnfinished(at("killed"));
    expect((await readdir(at("killed"))).toSorted()).toEqual([".unfinished", "film.mkv.part", "log.json.1"]);
  });

  test("temporary folders go with the process, and those of killed ones with the next", async () => {
    const temporary = new URL("../../src/temporary.ts", import.meta.url).href;
    const end = (how: string): void => {
      const code = `import { makeTemporary } from ${JSON.stringify(temporary)}; await makeTemporary(${JSON.stringify(at("tmp"))}); ${how}`;
      try {
        execFileSync(process.execPath, ["--input-type=module-typescript", "-e", code], { stdio: "pipe" });
      } catch {}
    };
    await mkdir(at("tmp"));
    end("process.exit(3)");
    expect(await readdir(at("tmp"))).toEqual([]);
    end('process.kill(process.pid, "SIGKILL")');
    expect(await readdir(at("tmp"))).toHaveLength(1);
    const mine = await makeTemporary(at("tmp"));
    expect(await readdir(at("tmp"))).toEqual([mine.path.slice(at("tmp").length + 1)]);
    mine.remove();
  });
});

describe("a cache folder that cannot be used", () => {
  test("folders under /proc and below files are refused at once", async () => {
    await writeFile(at("a-file"), "");
    await expect(makeFolder("/proc/nothing/deep")).rejects.toThrow("cannot write /proc/nothing/deep");
    await expect(makeFolder(at("a-file", "deep"))).rejects.toThrow("a part of its path is a file");
  });

  test.each(["/proc/petalface/deep", "a file"])("commands go on without %s, with one line", async (name) => {
    await writeFile(at("in-the-way"), "");
    const cache = name === "a file" ? at("in-the-way", "cache") : name;
    const env = { PETALFACE_CACHE: cache, PETALFACE_CACHE_GB: "1" };
    const out = at(`${name.length}.npy`);
    const args = ["embed", "--model", model, "--images", "synthetic:people=2,images=1", "--out", out];
    const { code, stderr } = await petalface(args, { env });
    expect(code, stderr).toBe(0);
    const noted = stderr.split("\n").filter((line) => line.includes("cache"));
    expect(noted).toEqual([
      expect.stringMatching(/^note: cannot write .*; going on without the cache \(PETALFACE_CACHE/),
    ]);
  });

  test("other commands do not touch it, and a usable one is used without a word", async () => {
    notes.length = 0;
    const before = process.env.PETALFACE_CACHE;
    process.env.PETALFACE_CACHE = at("new-cache");
    try {
      await prepareCache("compare", asked(false));
      expect(await readdir(folder)).not.toContain("new-cache");
      await prepareCache("embed", asked(false));
      expect(await readdir(at("new-cache"))).toEqual([]);
      expect(process.env.PETALFACE_CACHE).toBe(at("new-cache"));
      expect(notes).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.PETALFACE_CACHE;
      else process.env.PETALFACE_CACHE = before;
    }
  });

  test("a store that can no longer be written keeps nothing more, and says so once", async () => {
    const failures: string[] = [];
    const options = { root: at("store"), identity: "x", numbers: 2, limit: 1e6 };
    const store = await openOptionalStore(options, (reason) => failures.push(reason));
    const [model] = await readdir(at("store"));
    await rm(at("store", model), { recursive: true });
    const keys = [Uint32Array.of(1, 2, 3, 4)];
    for (let attempt = 0; attempt < 3; attempt++) await store?.put(keys, Float32Array.of(1, 2));
    expect(await store?.get(keys)).toEqual([undefined]);
    await store?.close();
    expect(failures).toEqual([expect.stringContaining("cannot write")]);
  });
});
