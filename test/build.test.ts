import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stagePackage } from "../scripts/stage.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const packages = ["onnx-grad", "petalface"];

/** A folder whose node_modules holds our built packages as published, beside everybody else's as installed here. */
describe("the built packages", () => {
  let place: string;

  beforeAll(async () => {
    const tsdown = join(root, "node_modules", "tsdown", "dist", "run.mjs");
    for (const name of packages) await run(process.execPath, [tsdown], { cwd: join(root, "packages", name) });
    place = await mkdtemp(join(tmpdir(), "petalface-build-"));
    const modules = join(place, "node_modules");
    await mkdir(modules);
    for (const name of await readdir(join(root, "node_modules")))
      if (!packages.includes(name)) await symlink(join(root, "node_modules", name), join(modules, name), "junction");
    for (const name of packages) await stagePackage(root, name, join(modules, name));
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

  test("both packages can be imported, and bring their types", async () => {
    const script =
      'for (const name of ["onnx-grad", "petalface"]) console.log(Object.keys(await import(name)).length > 0)';
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: place });
    expect(stdout).toBe("true\ntrue\n");
    for (const name of packages)
      expect(await readFile(join(place, "node_modules", name, "dist", "index.d.ts"), "utf8")).toContain("export");
  });
});
