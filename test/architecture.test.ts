import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { findUnportable, findViolations, importsOf, readSources, withoutTypes } from "./dependencies.ts";

const packagesRoot = fileURLToPath(new URL("../packages", import.meta.url));

test("folders depend on each other in one direction, through their index", () => {
  const sources = readSources(packagesRoot);
  expect(sources.length).toBeGreaterThan(5);
  expect(findViolations(sources)).toEqual([]);
});

test("what petalface offers to browsers needs neither Node nor a package", () => {
  expect(findUnportable(readSources(packagesRoot), "petalface/src/portable.ts")).toEqual([]);
});

test.each([
  ["prepare images", "images/worker.ts"],
  ["read a gallery's file", "gallery/threads/store-worker.ts"],
])("threads that %s load nothing of onnx-grad but its basics", (_, worker) => {
  const imports = findUnportable(readSources(packagesRoot), `petalface/src/${worker}`);
  const named = imports.filter((line) => line.includes('"onnx-grad'));
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((line) => !line.endsWith('imports "onnx-grad/basics"'))).toEqual([]);
});

test("the studio's page loads nothing of ours that needs Node", () => {
  const page = fileURLToPath(new URL("../apps/studio/src", import.meta.url));
  const packages = globSync("**/*.ts", { cwd: page }).flatMap((file) =>
    importsOf(withoutTypes(readFileSync(`${page}/${file}`, "utf8"))).filter((name) => !name.startsWith(".")),
  );
  expect(packages).toContain("petalface/portable");
  const needsNode = packages.filter((name) => /^(node:|onnx-grad|petalface)/.test(name));
  expect([...new Set(needsNode)]).toEqual(["petalface/portable"]);
});

/** What would load onnxruntime before its telemetry is switched off. */
const loadsEngine = ({ text }: { text: string }): boolean =>
  importsOf(withoutTypes(text)).some((name) => name.startsWith("onnxruntime-node"));

test("onnxruntime is loaded in one place, which switches its telemetry off first", () => {
  const places = readSources(packagesRoot).filter(loadsEngine);
  expect(places.map(({ path }) => path)).toEqual(["petalface/src/runtime/onnxruntime.ts"]);
});

test.each([
  ['import { open } from "node:fs/promises";', 1],
  ['import type { Graph } from "onnx-grad";', 0],
  ['export * from "./other.ts";', 1],
])("findUnportable on %s", (text, count) => {
  const files = [
    { path: "petalface/src/portable.ts", text },
    { path: "petalface/src/other.ts", text: 'import sharp from "sharp";' },
  ];
  expect(findUnportable(files, "petalface/src/portable.ts")).toHaveLength(count);
});

describe("the checker itself", () => {
  const check = (path: string, text: string): string[] => findViolations([{ path: `petalface/src/${path}`, text }]);

  test.each([
    ["images/resize.ts", 'import { train } from "../training/index.ts";'],
    ["data/folder.ts", 'export type { Site } from "../adapters/index.ts";'],
    ["backbones/open.ts", 'const { open } = await import("../quality/index.ts");'],
    ["training/run.ts", 'import { main } from "../cli/index.ts";'],
    ["cli/commands/inspect.ts", 'import { sites } from "../../adapters/sites.ts";'],
    ["cli/main.ts", 'import "../data/folder.ts";'],
    ["cli/main.ts", 'import { read } from "../../../onnx-grad/src/index.ts";'],
    ["cli/main.ts", 'import { read } from "onnx-grad/src/model.ts";'],
    ["training/run.ts", 'import { a } from "../unheard-of/index.ts";'],
    ["unheard-of/run.ts", 'import { a } from "../images/index.ts";'],
    ["training/run.ts", 'new Worker(new URL("../images/worker.ts", import.meta.url));'],
    ["images/a.ts", 'import {\n  one,\n  two,\n} from\n  "../cli/index.ts";'],
    ["images/a.ts", 'import { all } from "../index.ts";'],
  ])("%s must not contain %s", (path, text) => {
    expect(check(path, text)).toHaveLength(1);
  });

  test.each([
    ["cli/main.ts", 'import { train } from "../training/index.ts";'],
    ["training/run.ts", 'import { a } from "../adapters/index.ts";\nimport { b } from "../images/index.ts";'],
    ["training/run.ts", 'import { a } from "./other.ts";\nimport { PetalfaceError } from "../errors.ts";'],
    ["cli/commands/inspect.ts", 'import { a } from "../run.ts";\nimport { read } from "onnx-grad";'],
    ["index.ts", 'export * from "./training/index.ts";'],
    ["images/a.ts", '// import { train } from "../training/index.ts";'],
  ])("%s may contain %s", (path, text) => {
    expect(check(path, text)).toEqual([]);
  });

  test("onnx-grad may not know petalface", () => {
    const file = { path: "onnx-grad/src/graph.ts", text: 'import { x } from "petalface";' };
    expect(findViolations([file])).toHaveLength(1);
  });

  test("inside onnx-grad too, imports go one way", () => {
    const imports = (path: string, text: string) => findViolations([{ path: `onnx-grad/src/${path}`, text }]);
    expect(imports("graph/graph.ts", 'import { read } from "../format/model.ts";')).toHaveLength(1);
    expect(imports("build/builder.ts", 'import { rules } from "../gradient/table.ts";')).toHaveLength(1);
    expect(imports("gradient/check.ts", 'import { GraphBuilder } from "../build/builder.ts";')).toEqual([]);
    expect(imports("new/room.ts", 'import type { Graph } from "../graph/graph.ts";')).toHaveLength(1);
  });

  test("importsOf reads every form of import", () => {
    const text = `import a from "a"; import "b"; export * from "c"; import("d"); new URL("./e.ts", import.meta.url);`;
    expect(importsOf(text)).toEqual(["a", "b", "c", "d", "./e.ts"]);
  });
});
