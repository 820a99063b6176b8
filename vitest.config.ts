import { globSync, readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/sequencer.ts";
import { writtenWorkers } from "./test/written-workers.ts";

const files = globSync(["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts", "test/**/*.test.ts"], {
  cwd: import.meta.dirname,
}).map((file) => file.replaceAll("\\", "/"));
const texts = new Map(files.map((file) => [file, readFileSync(`${import.meta.dirname}/${file}`, "utf8")]));
const holds = (file: string, pattern: RegExp): boolean => pattern.test(texts.get(file) ?? "");

/**
 * Tests with a process of their own: those that change the environment, and those of large
 * networks, whose memory the next file should not inherit. The inspector, by which lost-thread ends
 * threads, misses those of a process with earlier tests.
 */
const isAlone = (file: string): boolean =>
  holds(file, /stubEnv|process\.env\.\w+ =/) ||
  /test\/(gradient\/networks|format\/hostile-\w+|infer\/hostile-shapes)\.test/.test(file) ||
  /test\/backbones\/(networks|reference|full)\.test/.test(file) ||
  /test\/(adapters\/real-models|training\/(calibration|reference-run|reference-oracle)|server\/(hostile|mixed|lost-thread))\.test/.test(
    file,
  ) ||
  /test\/(quality|audit|runtime)\//.test(file);

/**
 * Tests that start processes or browsers or prepare images in workers, and those that take more
 * than two seconds on a quiet machine.
 */
const isWhole = (file: string): boolean =>
  holds(
    file,
    /child_process|process\.ts"|lock-holder|postgres\.ts"|playwright|browser\.ts"|chromium\.ts"|openLoader/,
  ) ||
  /test\/(adapters\/(alike|noise|rows|deploy)|training\/(training|step|prefix|head|places|validation))\.test/.test(
    file,
  ) ||
  /test\/(cluster\/ranks|privacy\/privacy|providers\/gradients|gallery\/contract|server\/jobs)\.test/.test(file) ||
  /test\/(deploy\/targets|evaluation\/report\/nearest|faces\/crowd|batch\/set-batch)\.test/.test(file) ||
  /test\/(docs\/code-blocks|gallery\/migrate|bench-no-photo)\.test/.test(file) ||
  /test\/embeddings\//.test(file);

/** Those of them that measure the memory of their process. */
const isBounded = (file: string): boolean => isAlone(file) && holds(file, /memoryUsage/);

const bounded = files.filter(isBounded);
const alone = files.filter((file) => isAlone(file) && !isBounded(file));
const whole = files.filter((file) => isWhole(file) && !isAlone(file));
/** Quick tests of functions, which `npm run test:fast` runs. */
const unit = files.filter((file) => !isWhole(file) && !isAlone(file));

/** One thread by default, in the processes of the tests and in those that they start. */
const oneCore = ["--require", `${import.meta.dirname}/test/one-core.cjs`];

/**
 * Megabytes. A heap that begins small is collected again and again until it has grown: a tenth of
 * the processor time of long tests. Buffers do the same by themselves: by default V8 collects after
 * each 64 MB of them, which is another tenth to fifth. Here they count as the heap does. Tests that
 * limit the memory are not among them.
 */
const largeHeap = ["--initial-old-space-size=512", "--external-memory-accounted-in-global-limit"];

/** The quick tests start no command line. */
const globalSetup = "./test/command-line.ts";

export default defineConfig({
  plugins: [writtenWorkers],
  test: {
    pool: "forks",
    execArgv: oneCore,
    env: {
      NODE_OPTIONS: oneCore.map((word) => JSON.stringify(word)).join(" "),
      // onnxruntime's own telemetry, where a test opens it itself. What petalface does is tested
      // without this (test/privacy).
      ORT_DISABLE_TELEMETRY: "1",
      // No embedding is kept unless a test says so: the developer's cache stays as it is.
      PETALFACE_CACHE_GB: "0",
      // Threads and processes of tests start in a third of the time with compiled code.
      NODE_COMPILE_CACHE: `${import.meta.dirname}/node_modules/.cache/compiled`,
    },
    // Few workers: the native runtime and sharp bring threads of their own, and each worker may
    // hold a model. Three more than two cores, because many tests wait for processes, servers and
    // browsers. The whole took 541 s with five workers and 567 s with six.
    maxWorkers: 5,
    // No test is about time: this only ends one that hangs, also on a slow machine with other
    // programs running.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 600_000 } },
    reporters: ["default", "./test/skipped-reporter.ts"],
    sequence: { sequencer: LongestFirst },
    // Files without isolation share the modules of their worker: loading them takes longer than
    // most tests.
    projects: [
      { extends: true, test: { name: "bounded", include: bounded, globalSetup } },
      { extends: true, test: { name: "alone", include: alone, globalSetup, execArgv: largeHeap } },
      { extends: true, test: { name: "whole", include: whole, isolate: false, globalSetup, execArgv: largeHeap } },
      { extends: true, test: { name: "unit", include: unit, isolate: false } },
    ],
  },
});
