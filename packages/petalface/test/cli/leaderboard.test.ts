import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { adaptArguments } from "../../src/cli/commands/leaderboard/arguments.ts";
import { optionEntries, readRun, type TrainingChoices, trainingOptions } from "../../src/training/index.ts";
import { blocksIn, commandsOf } from "../docs/blocks.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-leaderboard-");
const faces = "synthetic:people=24,images=2,seed=5";
const protocol = "drawn:pairs=40,folds=2";

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await petalface(args, { cwd: folder });
  expect(code, `${args.join(" ")}\n${stderr}`).toBe(0);
  return stdout;
}

const small = ["--epochs", "1", "--batch", "6", "--rank", "4", "--lr-pixels", "4,6", "--threads", "1"];
const measured = ["--protocol", protocol, "--data", faces, "--degrade", "lr:6", "--resamples", "50", "--no-cache"];

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  for (const [name, more] of [
    ["a-1", ["--seed", "1"]],
    ["a-2", ["--seed", "2"]],
    ["sgd", ["--optimizer", "sgd", "--lr", "2e-3", "--no-flip", "--gate", "twin"]],
  ] as const) {
    const model = ["--model", "tiny.onnx"];
    await run("adapt", ...model, "--train", "synthetic:people=6,images=2", ...small, ...more, "--out", `runs/${name}`);
    await run("evaluate", ...model, "--adapter", `runs/${name}`, ...measured, "--threads", "1");
  }
});

interface Document {
  readonly tables: readonly {
    readonly measure: string;
    readonly methods: readonly {
      readonly name: string;
      readonly frozen: boolean;
      readonly made: { readonly protocol: string; readonly petalface: string; readonly commit?: string };
      readonly measures: readonly { readonly label: string; readonly value: number }[];
      readonly behind: { readonly value: number } | null;
    }[];
  }[];
}

describe("petalface leaderboard", () => {
  it("ranks runs with the frozen model; seeds of one method are one row", async () => {
    const args = ["leaderboard", "runs/a-1", "runs/a-2", "runs/sgd", "--out", "board.md"];
    const { tables } = JSON.parse(await run(...args, "--json")) as Document;
    expect(tables.length).toBe(1);
    const [table] = tables;
    expect(table?.measure).toBe("accuracy mixed 6");
    const methods = table?.methods ?? [];
    expect(methods.map(({ name }) => name).sort()).toEqual(["a-1 (2 runs)", "sgd", "tiny, frozen"]);
    const values = methods.map(({ measures }) => measures.find(({ label }) => label === table?.measure)?.value ?? 0);
    expect(values).toEqual(values.toSorted((a, b) => b - a));
    // What a row says of the first is the difference of the two values.
    for (const [at, { behind }] of methods.entries())
      if (at > 0) expect(behind?.value).toBeCloseTo((values[at] ?? 0) - (values[0] ?? 0), 10);
    for (const { made } of methods) expect(made).toMatchObject({ protocol, petalface: expect.any(String) });
  });

  it("writes a page whose commands make the runs again", async () => {
    await run("leaderboard", "runs/a-1", "runs/sgd", "--measure", "rank-1 6", "--out", "page.md");
    const page = await readFile(join(folder, "page.md"), "utf8");
    expect(page).toContain("| place | method | rank-1 6, % (95 %) |");
    expect(page).toMatch(/Trained by petalface \d+\.\d+\.\d+/);
    const commands = blocksIn("page.md", page).flatMap(commandsOf);
    const evaluations = commands.filter(([, name]) => name === "evaluate").map((words) => words.slice(1));
    expect(evaluations.length).toBe(3);
    for (const name of ["a-1", "sgd"]) {
      const words = commands.find((each) => each[1] === "adapt" && each.at(-1) === `runs/${name}`);
      await run(...(words ?? []).slice(1, -1), `again/${name}`);
      const [first, again] = [await readRun(join(folder, "runs", name)), await readRun(join(folder, "again", name))];
      expect(again.options).toEqual(first.options);
      const theta = (place: string) => readFile(join(folder, place, name, "adapter/adapter_model.safetensors"));
      expect(await theta("again")).toEqual(await theta("runs"));
    }
    await run(...(evaluations.find((words) => words.includes("runs/sgd")) ?? []), "--out", "results");
    const scores = async (place: string): Promise<unknown> =>
      (JSON.parse(await readFile(join(folder, place, "adapted.json"), "utf8")) as { detail: unknown }).detail;
    expect(await scores("results")).toEqual(await scores("runs/sgd/evaluation"));
  });

  it("refuses a measure that the results lack, and names those that they have", async () => {
    const { code, stderr } = await petalface(["leaderboard", "runs/a-1", "--measure", "rank-1 8", "--out", "x.md"], {
      cwd: folder,
    });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/--measure is one of .*rank-1 6.*; not rank-1 8/)]);
  });
});

it.each<TrainingChoices>([
  {},
  { preset: "paper", learningRate: 1e-3 },
  { preset: "reference" },
  { lrPixels: [8, 12] },
  { degrade: "lr" },
  { optimizer: "sgd", learningRate: 2e-3, weightDecay: 0.05 },
  { method: "full", learningRate: 2e-3 },
  { loss: "arcface", margin: 0.4, seed: 7, flip: false, alphaRange: [3, 4] },
])("arguments of a run give its options again: %j", (choices) => {
  const options = trainingOptions(choices);
  const record = {
    options,
    model: { given: "m.onnx" },
    data: { spec: "faces" },
    machine: { threads: 1 },
  } as Parameters<typeof adaptArguments>[0];
  const args = adaptArguments(record, "out");
  expect(args.slice(0, 5)).toEqual(["adapt", "--model", "m.onnx", "--train", "faces"]);
  expect(readBack(args)).toEqual(options);
  if (choices.lrPixels !== undefined) expect(args).not.toContain("--degrade");
});

/** What the command line makes of arguments, by the table of options alone. */
function readBack(args: readonly string[]): unknown {
  const given: Record<string, unknown> = {};
  for (const [name, { flag, read }] of optionEntries) {
    const at = args.indexOf(flag.replace(/ .*/, ""));
    if (at < 0) continue;
    given[name] = read === undefined ? !flag.startsWith("--no-") : read(args[at + 1] ?? "");
  }
  return trainingOptions(given);
}
