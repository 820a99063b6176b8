import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, vi } from "vitest";
import { type Benchmark, defineBenchmark, runBenchmark, usualCommand } from "../bench/skeleton/benchmark.ts";
import { printOptions, readOptions } from "../bench/skeleton/options.ts";
import { table } from "../bench/skeleton/page.ts";
import { largestDifference, median, relativeError, spread, timesOurs } from "../bench/skeleton/statistics.ts";
import { inTurns } from "../bench/skeleton/turns.ts";

const bench = fileURLToPath(new URL("../bench", import.meta.url));
const names = readdirSync(bench).filter((folder) => existsSync(join(bench, folder, "main.ts")));
const benchmarks = await Promise.all(
  names.map(async (name) => ((await import(`../bench/${name}/main.ts`)) as { default: Benchmark }).default),
);

it("bench/README.md lists every benchmark as it describes itself (npx vitest run test/bench.test.ts -u writes it again)", async () => {
  const rows = benchmarks.map((benchmark) => {
    const pages = (benchmark.pages ?? [benchmark.name]).map((page) => `results/${page}.md`);
    const written = pages.filter((page) => existsSync(join(bench, page)));
    return [
      benchmark.name,
      benchmark.measures,
      `\`${usualCommand(benchmark)}\``,
      written.map((page) => `[${basename(page)}](${page})`).join(", ") || "not run yet",
      String(benchmark.minutes),
      benchmark.needs ?? "",
    ];
  });
  const text = `# Benchmarks

Each benchmark is a folder with a \`main.ts\` whose default export is a definition
(\`skeleton/benchmark.ts\`). The skeleton reads its options, prints its help, and makes a Python
environment for what it is compared with. It runs parts of it in processes of their own, and lets
contenders take turns. It writes the page with the command, the date, the commit, the processor, the
versions and the load of the machine.

\`skeleton/\` has what several benchmarks do:

- \`children.ts\`: commands of petalface, and jobs in processes of their own
- \`faces.ts\`: requests for faces, and their embeddings
- \`kept.ts\`: results that the next run finds
- \`page.ts\` and \`intervals.ts\`: tables, numbers, values with their interval
- \`statistics.ts\` and \`linear.ts\`: medians, drawn numbers, vectors, equations
- \`turns.ts\`: contenders that take turns

\`faces/\` has trainings and their tables.

\`npm run bench -- NAME --help\` lists the options of one. \`--out FOLDER\` writes the page somewhere
else, \`--page NAME\` under another name, and \`--python none\` leaves the comparison with Python out
where that is possible. Shared data are looked for in \`PETALFACE_SHARED\`, by default \`../shared\`.
The minutes are estimates for two quiet cores, without Python environments; a page says how long its
run took. A benchmark imports the packages only as anyone else can:
\`petalface\`, \`petalface/...\` and \`onnx-grad\`. \`test/bench.test.ts\` checks that, and writes this
page.

${table(["name", "what it measures", "command", "page", "minutes", "needs"], rows)}
`;
  await expect(text).toMatchFileSnapshot(join(bench, "README.md"));
});

it("names no place on one machine in its pages", () => {
  const place = /(?<![^\s"'`(=])\/[\w.-]+\/[\w.-]+/;
  expect(place.test("/somewhere/faces, pairs drawn")).toBe(true);
  for (const page of readdirSync(join(bench, "results")).filter((file) => file.endsWith(".md")))
    expect(place.exec(readFileSync(join(bench, "results", page), "utf8"))?.[0], page).toBeUndefined();
});

it("each definition has its folder's name, and says what it measures in one sentence", () => {
  expect(benchmarks.map(({ name }) => name)).toEqual(names);
  for (const { name, measures, options, requirements } of benchmarks) {
    expect(measures, name).toMatch(/^[A-Z`].{20,120}\.$/);
    for (const { help } of Object.values(options)) expect(help.length, name).toBeGreaterThan(4);
    if (requirements !== undefined)
      expect(existsSync(join(bench, requirements, "requirements.txt")), requirements).toBe(true);
  }
});

/** What a file imports; strings that look like imports do not begin a line. */
const importsIn = (text: string): string[] =>
  [...text.matchAll(/^(?:(?:import|export)\b[^;]*? from|import) "([^"]+)"|\bimport\("([^"]+)"\)/gm)].map(
    ([, from, dynamic]) => from ?? dynamic ?? "",
  );

it("imports the packages as anyone else can", () => {
  const foreign = globSync("**/*.ts", { cwd: bench }).flatMap((path) =>
    importsIn(readFileSync(join(bench, path), "utf8"))
      .filter((name) => {
        if (name.startsWith(".")) return relative(bench, resolve(bench, dirname(path), name)).startsWith("..");
        return !/^(node:[\w/]+|onnx-grad|petalface(\/[a-z]+)?|onnxruntime-(node|web)|pg|autocannon|vitest)$/.test(name);
      })
      .map((name) => `bench/${path} imports ${name}`),
  );
  expect(foreign).toEqual([]);
});

it("reads options by their defaults", () => {
  const options = {
    models: { help: "names", default: ["a", "b"] },
    parts: { help: "with commas inside", default: ["a, long", "b"] },
    sizes: { help: "sides", default: [16, 12] },
    rounds: { help: "rounds", default: 5 },
    fast: { help: "a switch", default: false },
    run: { help: "a text" },
  } as const;
  expect(readOptions(options, [])).toEqual({
    ...{ models: ["a", "b"], parts: ["a, long", "b"], sizes: [16, 12], rounds: 5, fast: false },
    run: undefined,
  });
  const given = ["--models", "x,y", "--parts", "x, y;z", "--sizes=8", "--rounds", "2", "--fast", "--run", "r"];
  expect(readOptions(options, given)).toEqual({
    ...{ models: ["x", "y"], parts: ["x, y", "z"], sizes: [8], rounds: 2, fast: true, run: "r" },
  });
  expect(() => readOptions(options, ["--rounds", "many"])).toThrow('--rounds takes a number, not "many"');
  expect(() => readOptions(options, ["--sizes", "8,"])).toThrow("--sizes takes a number");
  expect(() => readOptions(options, ["--runs", "2"])).toThrow("--runs");
  expect(printOptions(options)).toContain("--parts        with commas inside (a, long;b)");
});

it("writes into a page the command that makes it again, its name too where it is not the usual one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "petalface-bench-page-"));
  const benchmark = defineBenchmark({
    ...{ name: "toy", title: "Toy", measures: "Nothing.", minutes: 1 },
    options: { parts: { help: "with commas inside", default: ["a, long", "b"] } },
    run: async () => ({ body: "Done." }),
  });
  const log = vi.spyOn(console, "log").mockReturnValue();
  try {
    for (const [args, page, command] of [
      [["--parts", "it's"], "toy", "npm run bench -- toy --parts 'it'\\''s'\n"],
      [["--page=toy-long", "--parts", "b"], "toy-long", "npm run bench -- toy --parts b --page toy-long\n"],
      [["--page", "toy"], "toy", "npm run bench -- toy\n"],
    ] as const) {
      await runBenchmark(benchmark, [...args, "--out", folder]);
      expect(await readFile(join(folder, `${page}.md`), "utf8")).toContain(`    ${command}`);
    }
  } finally {
    log.mockRestore();
    await rm(folder, { recursive: true });
  }
});

it("says in one line what is wrong with a command", () => {
  const run = (...args: string[]) => {
    const { PETALFACE_BENCH_GALLERY: _, ...env } = process.env;
    const { status, stderr } = spawnSync(process.execPath, [join(bench, "main.ts"), ...args], {
      encoding: "utf8",
      env,
    });
    return [status, stderr];
  };
  // Its model is made with Python where no earlier run left it, and this folder is empty.
  const folder = mkdtempSync(join(tmpdir(), "petalface-bench-usage-"));
  try {
    expect(run("base", "--python", "none", "--work", folder)).toEqual([
      2,
      "base: this compares with Python and cannot do without; leave out --python none\n",
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect(run("export")).toEqual([2, "export: --run RUN: a run of petalface adapt, or its adapter folder\n"]);
  expect(run("shard")).toEqual([2, "shard: PETALFACE_BENCH_GALLERY names no database\n"]);
  expect(run("shard", "--faces", "many")).toEqual([2, 'shard: --faces takes a number, not "many"\n']);
  expect(run("shard", "--face", "1")).toEqual([2, expect.stringMatching(/^shard: Unknown option '--face'.*\n$/)]);
});

it("ends a job whose parent has ended", async () => {
  const skeleton = JSON.stringify(join(bench, "skeleton/benchmark.ts"));
  const program = `import { runBenchmark } from ${skeleton};
const job = () => { process.send("begun"); return new Promise(() => setInterval(() => {}, 1000)); };
await runBenchmark({ name: "toy", job }, ["--job"]);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = once(child, "exit");
  child.send({});
  expect(await once(child, "message")).toContain("begun");
  child.disconnect();
  expect(await ended).toEqual([1, null]);
});

it("lets contenders take turns in changing order, and does not count the first round", async () => {
  const order: string[] = [];
  const turn = (name: string, seconds: number) => async (round: number) => {
    order.push(`${name}${round}`);
    return seconds + round;
  };
  const times = await inTurns([turn("a", 1), turn("b", 10)], { rounds: 2 });
  expect(order).toEqual(["b-1", "a-1", "a0", "b0", "b1", "a1"]);
  expect(times).toEqual([
    [1, 2],
    [10, 11],
  ]);
});

it("computes medians, ratios and differences", () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([])]).toEqual([2, 2.5, Number.NaN]);
  expect(timesOurs([2, 6, 4], [1, 2, 1])).toBe("3.00 [2.00-4.00]");
  expect(largestDifference([1, 2.5, -4], [1, 2, -5])).toBe(0.2);
  expect(largestDifference([1, 2], [1, Number.NaN])).toBeNaN();
  expect(largestDifference([1], [1, 2])).toBeNaN();
  expect(largestDifference([0.25], [0], 0.5)).toBe(0.5);
  expect(relativeError([3, 5], [3, 4])).toBe(0.2);
  expect(relativeError([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
  expect(spread(3, 9)).toEqual([0, 3, 6]);
  expect(table(["a", "b"], [["c", 1]])).toBe("| a | b |\n| --- | --- |\n| c | 1 |");
});
