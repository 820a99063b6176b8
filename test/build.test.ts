import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cachedPath, knownModels } from "../packages/petalface/src/models/index.ts";
import { writeTinyBackbone } from "../packages/petalface/test/support/backbone.ts";
import { buildSingleFile } from "../scripts/single-file/build.ts";
import { stageEngine, stagePackage } from "../scripts/stage.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const packages = ["onnx-grad", "petalface"];
/** Other Nodes that the packages should run on, beside the one of these tests. */
const otherNodes = (process.env.PETALFACE_NODES ?? "").split(delimiter).filter((path) => path !== "");
/** The demo's model, which a user's demo fetches from npm's registry. */
const weights = join(resolve(root, process.env.PETALFACE_SHARED ?? "../shared"), "weights/fr_feature.onnx");

/** What npm says of a package that it packed. */
interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
}

/** Both packages as `npm run pack` makes them, by their name. */
const packed = new Map<string, Packed>();
/** The packages as published, and their tarballs. */
let stage: string;

beforeAll(async () => {
  const tsdown = join(root, "node_modules", "tsdown", "dist", "run.mjs");
  for (const name of packages) await run(process.execPath, [tsdown], { cwd: join(root, "packages", name) });
  await run(process.execPath, [join(root, "apps", "console", "main.ts")]);
  stage = await mkdtemp(join(tmpdir(), "petalface-build-"));
  for (const name of packages) {
    await stagePackage(root, name, join(stage, name));
    const { stdout } = await run("npm", ["pack", "--json", join(stage, name)], { cwd: stage });
    const [one] = JSON.parse(stdout) as Packed[];
    if (one === undefined) throw new Error(`npm packed nothing of ${name}`);
    packed.set(name, one);
  }
});
afterAll(() => rm(stage, { recursive: true, force: true }));

/**
 * A folder whose node_modules holds our built packages as published, beside everybody else's as
 * installed here.
 */
describe("the built packages", () => {
  let place: string;

  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), "petalface-built-"));
    const modules = join(place, "node_modules");
    await mkdir(modules);
    for (const name of await readdir(join(root, "node_modules")))
      if (!packages.includes(name)) await symlink(join(root, "node_modules", name), join(modules, name), "junction");
    for (const name of packages) await cp(join(stage, name), join(modules, name), { recursive: true });
  });

  afterAll(() => rm(place, { recursive: true, force: true }));

  const cli = (...args: string[]) =>
    run(process.execPath, ["node_modules/petalface/dist/cli/main.js", ...args], { cwd: place });

  test("the command line starts and knows its commands", async () => {
    const { stdout } = await cli("--help");
    for (const command of ["adapt", "embed", "evaluate", "doctor"]) expect(stdout).toContain(`  ${command} `);
  });

  test("workers and assets are found: synthetic faces are drawn by the built worker", async () => {
    const { stdout } = await cli("--json", "degrade", "synthetic:people=2,images=1", "out", "--to", "lr:16");
    expect(JSON.parse(stdout)).toMatchObject({ faces: 2 });
    expect(await readdir(join(place, "out"), { recursive: true })).toHaveLength(4);
  });

  test("petalface brings the page that `serve` shows", async () => {
    const page = await readFile(join(place, "node_modules", "petalface", "dist", "page", "index.html"), "utf8");
    expect(page).toContain("<title>petalface</title>");
  });

  test("built files hold no `using`, which Node 20 and 22 cannot parse, and no stack of disposables, which they lack", async () => {
    for (const name of packages) {
      const dist = join(place, "node_modules", name, "dist");
      const files = (await readdir(dist, { recursive: true })).filter((file) => file.endsWith(".js"));
      expect(files.length).toBeGreaterThan(1);
      for (const file of files)
        expect(await readFile(join(dist, file), "utf8"), file).not.toMatch(
          /^\s*(await )?using \w+ =|new (Async)?DisposableStack/m,
        );
    }
  });

  test("the packages are as large as docs/install.md says, and no larger", async () => {
    const page = await readFile(join(root, "docs", "install.md"), "utf8");
    for (const name of packages) {
      const { size = 0, unpackedSize = 0 } = packed.get(name) ?? {};
      const row = new RegExp(`^\\| \`${name}\` +\\| ([\\d.]+) +\\| ([\\d.]+) +\\|`, "m").exec(page);
      for (const [bytes, said] of [
        [size, Number(row?.[1])],
        [unpackedSize, Number(row?.[2])],
      ] as const) {
        expect(bytes / 1e6, `${name}: ${said} MB`).toBeLessThan(said * 1.05 + 0.05);
        expect(bytes / 1e6, `${name}: ${said} MB`).toBeGreaterThan(said * 0.8 - 0.05);
      }
    }
  });

  test("one executable file holds all of it, and runs where there is no Node and no package", async () => {
    const alone = await mkdtemp(join(tmpdir(), "petalface-single-"));
    try {
      const file = join(alone, "petalface");
      await buildSingleFile(root, file);
      await writeTinyBackbone(join(alone, "tiny.onnx"));
      const env = { PATH: "", HOME: alone, PETALFACE_CACHE: join(alone, "cache") };
      const petalface = async (...args: string[]): Promise<string> =>
        (await run(file, args, { cwd: alone, env })).stdout;
      expect(await petalface("--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
      // Worker threads, sharp, the engine and a process of its own: what needs files.
      const small = ["--batch", "6", "--epochs", "1", "--sites", "all", "--lr-pixels", "4,6", "--threads", "2"];
      await petalface(
        "adapt",
        "--model",
        "tiny.onnx",
        "--train",
        "synthetic:people=4,images=3",
        "--out",
        "run",
        ...small,
      );
      await petalface("gallery", "create", "people.db", "--model", "tiny.onnx");
      const { findings } = JSON.parse(await petalface("doctor", "--json")) as { findings: object[] };
      expect(findings).toContainEqual(expect.objectContaining({ name: "provider cpu", state: "ok" }));
    } finally {
      await rm(alone, { recursive: true, force: true });
    }
  });

  test("both packages can be imported, and bring their types", async () => {
    const script =
      'for (const name of ["onnx-grad", "petalface", "petalface/training", "petalface/evaluation"]) console.log(Object.keys(await import(name)).length > 0)';
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: place });
    expect(stdout).toBe("true\n".repeat(4));
    for (const name of packages)
      expect(await readFile(join(place, "node_modules", name, "dist", "index.d.ts"), "utf8")).toContain("export");
  });
});

/**
 * As a user has them: packed as by `npm run pack`, and installed by a plain `npm install` into an
 * empty folder.
 */
describe.skipIf(otherNodes.length === 0)("the packed packages on other Nodes (PETALFACE_NODES)", () => {
  let place: string;

  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), "petalface-install-"));
    await writeFile(join(place, "package.json"), '{ "private": true }');
    for (const { filename } of packed.values()) await copyFile(join(stage, filename), join(place, filename));
    await stageEngine(root, join(place, "stage", "engine"), `${process.platform}/${process.arch}`);
    await run("npm", ["pack", join(place, "stage", "engine")], { cwd: place });
    await rm(join(place, "stage"), { recursive: true });
    const tarballs = (await readdir(place)).filter((name) => name.endsWith(".tgz"));
    expect(tarballs).toHaveLength(3);
    // No setting of this repository or of its npm scripts may help.
    const own = Object.entries(process.env).filter(([name]) => !/^(npm_config_(onnx|ignore)|onnxruntime)/i.test(name));
    const { stderr } = await run("npm", ["install", ...tarballs], { cwd: place, env: Object.fromEntries(own) });
    // npm warns of packages that ask for another Node, that are deprecated, or whose scripts it
    // does not run: none is ours.
    expect(stderr).not.toMatch(/npm warn .*\b(petalface|onnx-grad)@/i);
  });

  afterAll(() => rm(place, { recursive: true, force: true }));

  test("npm fetched nothing from another host: onnxruntime came without its install script, once", async () => {
    const { packages: installed } = JSON.parse(await readFile(join(place, "package-lock.json"), "utf8")) as {
      packages: Readonly<Record<string, { readonly resolved?: string; readonly hasInstallScript?: boolean }>>;
    };
    const engines = Object.entries(installed).filter(([path]) => path.endsWith("onnxruntime-node"));
    expect(engines).toEqual([
      ["node_modules/onnxruntime-node", expect.objectContaining({ resolved: expect.stringMatching(/^file:.*\.tgz$/) })],
    ]);
    expect(engines[0]?.[1]).not.toHaveProperty("hasInstallScript");
  });

  test.each(otherNodes)("%s degrades, trains and measures", async (node) => {
    await writeTinyBackbone(join(place, "tiny.onnx"));
    const cli = async (...args: string[]): Promise<unknown> => {
      const main = join("node_modules", "petalface", "dist", "cli", "main.js");
      const env = { ...process.env, PETALFACE_CACHE: join(place, "cache") };
      const { stdout } = await run(node, [main, "--json", ...args], { cwd: place, env });
      return JSON.parse(stdout);
    };
    const { stdout: version } = await run(node, ["--version"]);
    const out = `run-${version.trim()}`;
    const faces = "synthetic:people=4,images=3";
    expect(await cli("degrade", faces, `faces-${version.trim()}`, "--to", "lr:16")).toMatchObject({ faces: 12 });
    const small = ["--batch", "6", "--epochs", "1", "--sites", "all", "--lr-pixels", "4,6", "--threads", "1"];
    await cli("adapt", "--model", "tiny.onnx", "--train", faces, "--out", out, ...small);
    const pairs = ["--protocol", "drawn:pairs=8,folds=2", "--data", faces];
    expect(await cli("evaluate", "--model", "tiny.onnx", "--adapter", out, ...pairs)).toHaveProperty("adapted");
  });

  test.skipIf(!existsSync(weights)).each([...otherNodes, process.execPath])(
    "%s runs a small demo to its end, called by npx (needs PETALFACE_SHARED)",
    async (node) => {
      const model = knownModels.find(({ name }) => name === "fr_feature");
      if (model === undefined) throw new Error("fr_feature is not known");
      const cached = cachedPath(model, join(place, "cache"));
      await mkdir(dirname(cached), { recursive: true });
      await copyFile(weights, cached);
      const { stdout: version } = await run(node, ["--version"]);
      const out = `demo-${version.trim()}`;
      const path = `${dirname(node)}${delimiter}${process.env.PATH}`;
      const env = { ...process.env, PATH: path, PETALFACE_CACHE: join(place, "cache") };
      const small = ["--images", "32", "--people", "10", "--minutes", "0", "--out", out];
      const { stdout } = await run("npx", ["--no", "petalface", "demo", ...small], { cwd: place, env });
      expect(stdout).toMatch(/accuracy mixed 16 /);
      expect(stdout.replaceAll(/\s+/g, " ")).toContain("npx petalface demo --data FOLDER");
      expect(await readdir(join(place, out))).toEqual(expect.arrayContaining(["face.onnx", "petal", "report.html"]));
    },
  );

  test.each(otherNodes)("%s keeps galleries, or says which Node can", async (node) => {
    await writeTinyBackbone(join(place, "tiny.onnx"));
    const { stdout: version } = await run(node, ["--version"]);
    const main = join("node_modules", "petalface", "dist", "cli", "main.js");
    const env = { ...process.env, PETALFACE_CACHE: join(place, "cache") };
    const file = `${version.trim()}.db`;
    const made = run(node, [main, "--quiet", "gallery", "create", file, "--model", "tiny.onnx"], { cwd: place, env });
    if (Number.parseInt(version.slice(1), 10) >= 22) expect(await made).toMatchObject({ stderr: "" });
    else
      await expect(made).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^petalface: .*galleries need Node 22.13 or newer, .*this is Node .*\n$/i),
      });
  });

  test.each(otherNodes)("%s gets a sentence from the sources where it cannot parse them", async (node) => {
    const { stdout: version } = await run(node, ["--version"]);
    if (Number.parseInt(version.slice(1), 10) >= 24) return;
    for (const entry of ["bin/petalface.js", ...(version.startsWith("v22") ? ["src/cli/main.ts"] : [])]) {
      const started = run(node, [join(root, "packages", "petalface", entry), "--version"]);
      await expect(started).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^petalface: running from the sources needs Node 24 or newer, and this is .*\n$/),
      });
    }
  });
});
