import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts", "test/**/*.test.ts"],
    pool: "forks",
    // onnxruntime's own telemetry, where a test opens it itself. What petalface does is tested without this (test/privacy).
    env: { ORT_DISABLE_TELEMETRY: "1" },
    // Two workers: the native runtime and sharp bring threads of their own, and each worker may hold a model.
    maxWorkers: 2,
    // No test is about time: this only ends one that hangs, also on a slow machine with other programs running.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    reporters: ["default", "./test/skipped-reporter.ts"],
  },
});
