import { globSync, readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";

const files = globSync(["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts", "test/**/*.test.ts"], {
  cwd: import.meta.dirname,
}).map((file) => file.replaceAll("\\", "/"));

/**
 * What a test says that starts processes or browsers, prepares images in workers, or changes the
 * environment.
 */
const outside =
  /child_process|process\.ts"|postgres\.ts"|playwright|browser\.ts"|openLoader|stubEnv|process\.env\.\w+ =/;

/**
 * Tests that take more than two seconds on a quiet machine: whole networks, trainings, many files
 * or resamples.
 */
const long = [
  /test\/(gradient\/networks|format\/hostile-mutations|infer\/hostile-shapes)\.test/,
  /test\/backbones\/(networks|reference|full)\.test/,
  /test\/adapters\/(alike|noise|real-models|rows|deploy)\.test/,
  /test\/training\/(training|reference-run|reference-oracle|calibration|step|prefix|head|places|validation)\.test/,
  /test\/(quality|audit|embeddings|runtime)\//,
];

/**
 * Quick tests of functions, which `npm run test:fast` runs. They share their worker's modules:
 * starting a worker for each file takes longer than most of them.
 */
const isUnit = (file: string): boolean =>
  !long.some((pattern) => pattern.test(file)) && !outside.test(readFileSync(`${import.meta.dirname}/${file}`, "utf8"));

export default defineConfig({
  test: {
    pool: "forks",
    env: {
      // onnxruntime's own telemetry, where a test opens it itself. What petalface does is tested
      // without this (test/privacy).
      ORT_DISABLE_TELEMETRY: "1",
      // No embedding is kept unless a test says so: the developer's cache stays as it is.
      PETALFACE_CACHE_GB: "0",
      // Threads and processes of tests start in a third of the time with compiled code.
      NODE_COMPILE_CACHE: `${import.meta.dirname}/node_modules/.cache/compiled`,
    },
    // Two workers: the native runtime and sharp bring threads of their own, and each worker may
    // hold a model.
    maxWorkers: 2,
    // No test is about time: this only ends one that hangs, also on a slow machine with other
    // programs running.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    reporters: ["default", "./test/skipped-reporter.ts"],
    projects: [
      { extends: true, test: { name: "unit", include: files.filter(isUnit), isolate: false } },
      { extends: true, test: { name: "whole", include: files.filter((file) => !isUnit(file)) } },
    ],
  },
});
