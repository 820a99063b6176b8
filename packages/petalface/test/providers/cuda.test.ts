import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CudaMachine, cudaAdvice } from "../../src/runtime/cuda.ts";
import { probeProvider } from "../../src/runtime/index.ts";

let folder = "";
let machine: CudaMachine;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-cuda-"));
  machine = { system: "linux/x64", driver: true, package: folder, version: "1.2.3" };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("names the system first, then the driver, then the libraries of the same version", () => {
  expect(cudaAdvice({ ...machine, system: "darwin/arm64", driver: false })).toContain("only for Linux on x64");
  expect(cudaAdvice({ ...machine, driver: false })).toContain("NVIDIA GPU with its driver");
  expect(cudaAdvice(machine)).toMatch(/onnxruntime 1\.2\.3 .*install\.js --onnxruntime-node-install/);
});

test("asks for CUDA and cuDNN where the libraries are", async () => {
  const libraries = join(folder, "bin", "napi-v6", "linux", "x64");
  await mkdir(libraries, { recursive: true });
  await writeFile(join(libraries, "libonnxruntime_providers_cuda.so"), "");
  expect(cudaAdvice(machine)).toContain("CUDA 12 and cuDNN 9");
});

test("a probe that fails says what this machine lacks", async () => {
  const { problem, todo } = await probeProvider("cuda");
  // On a machine with CUDA there is no problem and nothing to do.
  expect(todo).toBe(problem === undefined ? undefined : cudaAdvice());
});
