import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Block, blocksIn, blocksOf, commandsOf, pages, petalfaceArguments, root, wordsOf } from "./blocks.ts";
import { clearOutput, makeStandIns, openPlace, runIn, shorter } from "./stand-ins.ts";

/**
 * Pages whose blocks another test runs, in their order, with the server or the folders that they
 * need.
 */
const elsewhere: Readonly<Record<string, string>> = {
  "docs/gallery.md": "packages/petalface/test/cli/gallery-guide.test.ts",
  "docs/serve.md": "packages/petalface/test/server/serve-guide.test.ts",
  "docs/watch.md": "packages/petalface/test/cli/watch.test.ts",
};
const guides = "packages/petalface/test/deploy/guides.test.ts";
const examples = "packages/petalface/test/api/examples.test.ts";
const engine = "packages/onnx-grad/test/example.test.ts";

/** The test that runs a page's blocks of a language; undefined where this one does. */
function runnerOf({ page, language }: Block): string | undefined {
  if (page.startsWith("packages/onnx-grad/")) return engine;
  if (language === "ts") return examples;
  if (page.startsWith("docs/deploy/") && page !== "docs/deploy/README.md") return guides;
  return elsewhere[page];
}

const programs = ["sh", "ts"];
const data = ["text", "json", "csv"];
const blocks = pages.flatMap(blocksOf);
const runnable = blocks.filter(({ language, reason }) => programs.includes(language) && reason === undefined);
const here = pages.filter((page) =>
  runnable.some((block) => block.page === page && block.language === "sh" && runnerOf(block) === undefined),
);

const evaluateFirst = "evaluate --model model.onnx --adapter runs/first --protocol pairs.txt --data faces";

/** Commands that come before a page's first, where it takes more than one run for granted. */
const before: Readonly<Record<string, readonly string[]>> = {
  "README.md": ["evaluate --model model.onnx --adapter runs/second --protocol pairs.txt --data faces --degrade lr:16"],
};

/** A page's words for what is large or must be fetched, and what stands for it. */
const standsFor: readonly (readonly [RegExp, string])[] = [
  [/^fr_feature$/, "model.onnx"],
  [/^Conv_79,.*/, "*Gemm*"],
  [/^synthetic:people=300/, "synthetic:people=20"],
];

const replace = (word: string): string => standsFor.reduce((text, [from, to]) => text.replace(from, to), word);

function argumentsHere(args: readonly string[]): string[] {
  const [name = ""] = args;
  const own = args.map(replace);
  if (name === "align") return [...own, "--detector", "det.onnx", "--landmarks", "own"];
  if (args.includes("--resume")) return own;
  // A measure that needs no model judges small pictures as it does large ones.
  if (name === "quality" && !own.includes("--model")) own.push("--size", "24");
  return [...own, ...(shorter[name] ?? [])];
}

describe("the blocks of the pages", () => {
  it("are all marked with their language, and none is written by indentation", () => {
    for (const page of pages) {
      const text = readFileSync(join(root, page), "utf8");
      expect(blocksOf(page).length, page).toBe((text.match(/^```/gm) ?? []).length / 2);
      expect(text.match(/^\n {4}(petalface|npm|npx|node|docker|export|mpirun)\b.*/m)?.[0], page).toBeUndefined();
    }
    const known = [...programs, ...data];
    expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
    expect(runnable.length).toBeGreaterThan(50);
  });

  it("that no test runs are these, each with its reason on the page", () => {
    const named = blocks.flatMap(({ page, reason }) => (reason === undefined ? [] : [`${page}: ${reason}`]));
    expect(named).toMatchInlineSnapshot(`
      [
        "CONTRIBUTING.md: this is what continuous integration runs",
        "README.md: this is what continuous integration runs; the demo takes minutes",
        "docs/container.md: needs Docker",
        "docs/container.md: needs Docker",
        "docs/container.md: needs Docker",
        "docs/container.md: builds an image; needs root and an hour",
        "docs/degradation.md: fits for minutes; test/images/fit.test.ts has smaller fits",
        "docs/gallery.md: needs LFW; packages/petalface/test/cli/gallery-session.test.ts runs it",
        "docs/gallery.md: needs PostgreSQL; test/cli/gallery-postgres.test.ts does the same",
        "docs/index.md: takes minutes; test/cli/demo.test.ts runs a smaller demo",
        "docs/install.md: this is what continuous integration runs",
        "docs/install.md: installs packages; test/build.test.ts does it on other Nodes",
        "docs/install.md: builds a large file; test/build.test.ts does it",
        "docs/many-machines.md: needs MPI; the tests in test/cluster train with it",
        "docs/many-machines.md: needs MPI; the tests in test/cluster train with it",
        "docs/many-machines.md: needs PostgreSQL; the tests in test/cluster run these commands",
        "docs/many-machines.md: needs PostgreSQL; test/cluster does the same",
        "docs/method.md: needs a checkpoint of 500 MB; test/training/reference-oracle.test.ts",
        "docs/networks.md: needs checkpoints of 500 MB; test/cli/import.test.ts imports small ones",
        "docs/networks.md: needs the model of the import above; test/cli/import.test.ts exports small ones",
        "docs/privacy.md: needs the right to make a network namespace; test/privacy does the same",
        "docs/privacy.md: needs strace; test/privacy does the same",
        "docs/providers.md: needs WebGPU",
        "docs/providers.md: fetches CUDA libraries",
        "docs/providers.md: needs the graphics libraries of chromium",
        "docs/speed.md: takes hours",
        "docs/speed.md: needs a large transformer; test/cli/adapt-base.test.ts trains a small one",
        "docs/start.md: takes minutes; test/cli/demo.test.ts runs a smaller demo",
        "docs/studio.md: runs until it is stopped; the tests of apps/studio start it",
        "docs/training.md: it takes half an hour; test/api/minutes.test.ts has a short one",
        "docs/training.md: needs batch normalisation; test/training/reference-run.test.ts has it",
        "docs/try.md: takes minutes; test/cli/demo.test.ts runs a smaller demo",
        "docs/watch.md: needs a camera; test/cli/watch.test.ts asks a server",
        "docs/watch.md: needs a camera; test/watch/mqtt.test.ts has a broker",
        "packages/petalface/README.md: installs packages; test/build.test.ts does it",
      ]
    `);
    for (const [path] of named.join("\n").matchAll(/test\/[\w/-]+(\.test\.ts)?/g))
      expect(existsSync(join(root, "packages/petalface", path)) || existsSync(join(root, path)), path).toBe(true);
  });

  it("that other tests run are named by these", () => {
    for (const block of runnable) {
      const runner = runnerOf(block);
      if (runner === undefined) continue;
      const text = readFileSync(join(root, runner), "utf8");
      expect(text, `${runner} and ${block.page}`).toContain(basename(block.page, ".md"));
    }
  });
});

describe("the commands of a page work, in their order", () => {
  let standIns: string;
  let work: string;
  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), "petalface-blocks-"));
    standIns = await mkdtemp(join(tmpdir(), "petalface-stand-ins-"));
    await makeStandIns(standIns);
  });
  afterAll(async () => {
    for (const folder of [work, standIns]) await rm(folder, { recursive: true, force: true });
  });

  it("docs/files.md names every field of the files that they write", async () => {
    const place = join(work, "fields");
    await openPlace(standIns, place);
    await runIn(place, argumentsHere(wordsOf(evaluateFirst)));
    const text = readFileSync(join(root, "docs/files.md"), "utf8");
    const [line = ""] = readFileSync(join(place, "runs/first/metrics.jsonl"), "utf8").split("\n");
    const documents = ["run.json", "adapter/adapter_config.json", "evaluation/adapted.json"].map((file) =>
      readFileSync(join(place, "runs/first", file), "utf8"),
    );
    for (const document of [line, ...documents])
      for (const field of Object.keys(JSON.parse(document) as object)) expect(text).toContain(`\`${field}\``);
  });

  it.each(here)("%s", async (page) => {
    const place = join(work, page.replaceAll("/", "-"));
    await openPlace(standIns, place);
    for (const line of before[page] ?? []) await runIn(place, argumentsHere(wordsOf(line)));
    const made = new Set<string>();
    const own = runnable.filter((block) => block.page === page && block.language === "sh");
    for (const block of own)
      for (const words of commandsOf(block)) {
        // A setting of the environment has nothing to run.
        if (words.every((word) => /^\w+=\w+$/.test(word))) continue;
        const args = petalfaceArguments(words);
        if (args === undefined)
          throw new Error(`${page}:${block.line}: mark the block, or let this test run ${words[0]}`);
        await clearOutput(place, args, made);
        expect(await runIn(place, argumentsHere(args)), words.join(" ")).not.toBe("");
      }
  });
});

it("reads blocks, their reasons and their commands", () => {
  const text = "a\n\n<!-- not run: needs a camera -->\n```sh\nx a \\\n  'b c' # d\n```\n\n```text\ny\n```\n";
  const found = blocksIn("a.md", text);
  expect(found.map(({ line, language, reason }) => [line, language, reason])).toEqual([
    [4, "sh", "needs a camera"],
    [9, "text", undefined],
  ]);
  expect(found.flatMap(commandsOf)).toEqual([["x", "a", "b c"], ["y"]]);
  expect(petalfaceArguments(wordsOf("npm run petalface -- inspect x"))).toEqual(["inspect", "x"]);
});
