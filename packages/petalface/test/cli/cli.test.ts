import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { commandNames, loadCommands } from "../../src/cli/commands.ts";
import { createContext } from "../../src/cli/context.ts";
import { temporaryFolder } from "../support/folder.ts";
import { commandSources, ended, petalface, petalfaceProcess, start } from "./process.ts";

const folder = temporaryFolder("petalface-cli-");

/**
 * A module that makes Node name the package of every file of a package that it loads, a line each
 * on stderr.
 */
const namePackages = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from "node:module";
registerHooks({
  load(url, context, next) {
    const [, name] = /.*[/]node_modules[/]((?:@[^/]+[/])?[^/]+)/.exec(url) ?? [];
    if (name) process.stderr.write(name + "\\n");
    return next(url, context);
  },
});`)}`;

/** Other tests start the sources in a few files. */
const fromSources = { program: commandSources };

/** Wrong usage: nothing on stdout, one line on stderr, exit code 2. */
async function expectUsage(args: readonly string[], pattern: RegExp): Promise<void> {
  const { code, stdout, stderr } = await petalface(args);
  expect({ code, stdout, lines: stderr.trimEnd().split("\n").length }, stderr).toEqual({
    code: 2,
    stdout: "",
    lines: 1,
  });
  expect(stderr).toMatch(pattern);
}

describe("the program", () => {
  test("prints its version", async () => {
    const manifest = await readFile(new URL("../../package.json", import.meta.url), "utf8");
    expect(await petalfaceProcess(["--version"], fromSources)).toEqual({
      code: 0,
      stdout: `${(JSON.parse(manifest) as { version: string }).version}\n`,
      stderr: "",
    });
  });

  test("starts where the cache cannot be made", async () => {
    const file = join(folder, "no-folder");
    await writeFile(file, "");
    for (const cache of [file, join(file, "cache"), "/proc/petalface/cache"]) {
      // The tests' own place for compiled code would keep it from making one.
      const env = { PETALFACE_CACHE: cache, NODE_COMPILE_CACHE: undefined };
      expect(await petalface(["--version"], { env, ...fromSources }), cache).toMatchObject({ code: 0 });
    }
  });

  test("prints help with every command, and each command's help ends in examples", async () => {
    const { code, stdout } = await petalface(["--help"]);
    expect(code).toBe(0);
    const names = [...stdout.matchAll(/^ {2}([a-z][a-z-]*) .*/gm)]
      .map((match) => match[1])
      .filter((name) => name !== "help");
    expect(names).toEqual(commandNames);
    for (const name of names) {
      const help = await petalface([name, "--help"]);
      expect(help.code).toBe(0);
      expect(help.stdout, `petalface ${name} --help`).toMatch(new RegExp(`\\nExamples:\\n  petalface ${name}\\b`));
    }
  });

  test("says of each command in the list what the command says of itself, and `help NAME` is its help", async () => {
    const context = createContext(() => ({}), new AbortController().signal, process);
    const described = async (args: readonly string[]): Promise<[string, string][]> => {
      const program = new Command();
      for (const register of await loadCommands(args)) register(program, context);
      return program.commands.map((command) => [command.name(), command.description()]);
    };
    const listed = await described(["--help"]);
    expect(listed.map(([name]) => name)).toEqual(commandNames);
    for (const entry of listed) {
      expect(await described([entry[0]])).toEqual([entry]);
      expect(await described(["help", entry[0]])).toEqual([entry]);
    }
  });

  test("help and the version load nothing but the parser; a command's help no library that only its work needs", async () => {
    const loadedBy = async (...args: string[]): Promise<string[]> => {
      const { code, stderr } = await petalface(args, {
        env: { NODE_OPTIONS: `--import=${namePackages}` },
        ...fromSources,
      });
      expect(code, stderr).toBe(0);
      return [...new Set(stderr.trim().split("\n"))].sort();
    };
    for (const args of [["--help"], ["--version"], ["help"]]) expect(await loadedBy(...args)).toEqual(["commander"]);
    const heavy = ["onnxruntime-node", "pacote", "sharp", "umap-js", "vega", "vega-lite"];
    for (const name of ["adapt", "evaluate", "embed", "demo"]) {
      const loaded = await loadedBy(name, "--help");
      expect(loaded).toContain("commander");
      expect(
        loaded.filter((each) => heavy.includes(each)),
        name,
      ).toEqual([]);
    }
  });

  test("without a command it prints help on stderr: wrong usage", async () => {
    const { code, stdout, stderr } = await petalfaceProcess([], fromSources);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^Usage: petalface/);
  });

  test("suggests the command that was meant", () =>
    expectUsage(["modles"], /unknown command 'modles' \(Did you mean models\?\); see/));
  test("refuses unknown options", () =>
    expectUsage(["models", "--jsn"], /unknown option '--jsn' .*--json.*see `petalface models --help`/));
  test("refuses missing arguments", () =>
    expectUsage(["degrade", "--to", "lr:8"], /missing required argument 'in'; see `petalface degrade --help`/));
  test("refuses to degrade into nothing", () =>
    expectUsage(["degrade", "in", "--to", "lr:8"], /name a new folder for the copies, or a picture with --sheet FILE/));
  test("refuses missing options", () => expectUsage(["degrade", "in", "out"], /give --to SPEC, or --fit CROPS/));
  test("refuses bad values", async () => {
    await expectUsage(["degrade", "synthetic", join(folder, "x"), "--to", "lr:one"], /unknown degradation "lr:one"/);
    await expectUsage(
      ["degrade", "in", "out", "--to", "lr:8", "--size", "12x"],
      /--size is a whole number from 8 to 4096/,
    );
  });

  test("what the user can mend is one line on stderr and exit code 1", async () => {
    const { code, stdout, stderr } = await petalfaceProcess(["models", "no-such-model"], fromSources);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^petalface: no model "no-such-model": .*\n$/);
  });

  test("--debug adds the stack", async () => {
    const { code, stderr } = await petalfaceProcess(["models", "no-such-model", "--debug"], fromSources);
    expect(code).toBe(1);
    expect(stderr).toMatch(/\n {4}at (async )?resolveModel/);
  });

  test("a reader that goes away is no error", async () => {
    const child = start(["models"], fromSources);
    child.stdout?.destroy();
    const { code, stderr } = await ended(child);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
});

describe("petalface models", () => {
  test("lists them, and --json prints one document and nothing else", async () => {
    const env = { PETALFACE_CACHE: join(folder, "cache") };
    const { code, stdout, stderr } = await petalface(["models", "--json"], { env });
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      cache: join(folder, "cache"),
      models: [
        { name: "fr_feature", cached: false, licence: "MIT" },
        { name: "mobilefacenet", package: null },
        { name: "fr_detect", cached: false },
        { name: "fr_landmark", cached: false },
      ],
    });
    expect((await petalface(["models"], { env })).stdout).toMatch(/^fr_feature: .*\n {2}MIT; fetched from npm/);
  });
});

describe("petalface doctor", () => {
  test("finds this machine fit, and says which providers open", async () => {
    const env = { PETALFACE_CACHE: join(folder, "doctor") };
    const { code, stdout } = await petalface(["doctor", "--json"], { env });
    const report = JSON.parse(stdout) as { ok: boolean; findings: { name: string; state: string; todo?: string }[] };
    const broken = report.findings.filter((finding) => finding.state === "broken");
    expect({ code, ok: report.ok, broken }).toEqual({ code: 0, ok: true, broken: [] });
    expect(report.findings).toContainEqual(expect.objectContaining({ name: "provider cpu", state: "ok" }));
    expect(report.findings.map(({ name }) => name)).toEqual(expect.arrayContaining(["processor", "8-bit"]));
    for (const finding of report.findings) if (finding.state !== "ok") expect(finding.todo, finding.name).toBeTruthy();
  });

  test("says what becomes of onnxruntime's telemetry", async () => {
    const env = { PETALFACE_CACHE: join(folder, "doctor"), ORT_DISABLE_TELEMETRY: "" };
    expect((await petalface(["doctor"], { env })).stdout).toMatch(/^ok +telemetry +none/m);
    // CI keeps onnxruntime from sending anything here, whatever it is told.
    const wanted = { ...env, PETALFACE_ORT_TELEMETRY: "1", CI: "1" };
    expect((await petalface(["doctor"], { env: wanted })).stdout).toMatch(/^ok +telemetry +onnxruntime's is on/m);
  });

  test("says that the cache cannot be written and what to do; the commands work without it", async () => {
    const file = join(folder, "a file");
    await writeFile(file, "");
    const { code, stdout } = await petalface(["doctor"], { env: { PETALFACE_CACHE: file } });
    expect(code).toBe(0);
    const said = stdout.replaceAll(/\n? +/g, " ");
    expect(said).toMatch(/^missing cache .*: set PETALFACE_CACHE to a writable folder$/m);
  });
});

describe("petalface degrade", () => {
  const face = (shade: number) =>
    ({ create: { width: 40, height: 40, channels: 3, background: { r: shade, g: 9, b: 200 } } }) as const;

  test("copies folder to folder, whatever the names look like", async () => {
    const input = join(folder, "Fotos für 日本");
    await mkdir(join(input, "Zoë Ünal"), { recursive: true });
    await sharp(face(10))
      .jpeg({ quality: 100 })
      .toFile(join(input, "Zoë Ünal", "ä 1.jpg"));
    // The same stem twice: neither copy may replace the other.
    await sharp(face(50))
      .png()
      .toFile(join(input, "Zoë Ünal", "b.png"));
    await sharp(face(90))
      .webp({ lossless: true })
      .toFile(join(input, "Zoë Ünal", "b.webp"));
    const before = await readFile(join(input, "Zoë Ünal", "b.png"));
    const output = join(folder, "klein → 8");
    const { code, stdout, stderr } = await petalface([
      "degrade",
      input,
      output,
      "--to",
      "lr:8",
      "--size",
      "32",
      "--json",
    ]);
    expect(code, stderr).toBe(0);
    const leftOut = { tried: 3, count: 0, first: [], notFinite: 0, otherFiles: 0 };
    expect(JSON.parse(stdout)).toEqual({ input, output, degradation: "lr:8", size: 32, faces: 3, leftOut });
    expect((await readdir(join(output, "Zoë Ünal"))).sort()).toEqual(["b.png.png", "b.webp.png", "ä 1.png"].sort());
    const { data, info } = await sharp(join(output, "Zoë Ünal", "b.webp.png"))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels, ...data.subarray(0, 3)]).toEqual([32, 32, 3, 90, 9, 200]);
    expect(await readFile(join(input, "Zoë Ünal", "b.png"))).toEqual(before);
  });

  test("never writes where something is, or into its input", async () => {
    const input = join(folder, "in");
    await mkdir(input);
    await sharp(face(10)).png().toFile(join(input, "a.png"));
    for (const output of [input, join(input, "sub"), folder]) {
      const { code, stderr } = await petalface(["degrade", input, output, "--to", "lr:8"]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/name a (new )?folder/);
    }
    expect(await readdir(input)).toEqual(["a.png"]);
  });

  test("Ctrl-C ends it with 130", async () => {
    const output = join(folder, "interrupted");
    const child = start(["degrade", "synthetic:people=20000,images=5", output, "--to", "lr:16"]);
    const end = ended(child);
    while ((await readdir(output).catch(() => [])).length === 0)
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGINT");
    const { code, stdout, stderr } = await end;
    expect([code, stdout]).toEqual([130, ""]);
    expect(stderr).toMatch(/stopping; press Ctrl-C again[\s\S]*petalface: interrupted\n$/);
    expect(existsSync(output)).toBe(false);
  });
});
