import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { commandNames } from "../../src/cli/commands.ts";
import { printCommand } from "../../src/cli/examples.ts";
import { columns, fitLines } from "../../src/cli/lines.ts";
import { plainTable } from "../../src/cli/table.ts";
import { namedProtocols } from "../../src/evaluation/index.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { petalface } from "./process.ts";

/** Lines that do not fit, but for those whose longest word (a path) leaves them no choice. */
const tooLong = (text: string): string[] =>
  text.split("\n").filter((line) => line.length > columns && line.trim().split(/ +/).length > 2);

describe("what people read fits 80 columns", () => {
  const people = "synthetic:people=24,images=3,seed=3";
  const folder = temporaryFolder("petalface-width-");
  let model: string;
  let run: string;

  /** Runs a command that must succeed; what it printed on stdout. */
  const print = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await petalface(args, { cwd: folder });
    expect(code, stderr).toBe(0);
    expect(stdout).not.toBe("");
    return stdout;
  };

  beforeAll(async () => {
    model = "tiny.onnx";
    run = "run";
    await writeTinyBackbone(join(folder, model));
  });

  it("of help", async () => {
    const texts = [await print("--help"), await print("adapt", "--help", "all")];
    for (const name of commandNames) texts.push(await print(name, "--help"));
    expect(texts.flatMap(tooLong)).toEqual([]);
  });

  it("of the commands", async () => {
    const faces = ["--train", people, "--lr-pixels", "4,6", "--val", people, "--val-pixels", "6"];
    const size = ["--rank", "4", "--epochs", "2", "--batch", "12", "--threads", "1"];
    const texts = [await print("adapt", "--model", model, ...faces, ...size, "--quality", "sharpness", "--out", run)];
    const on = ["--model", model, "--adapter", run];
    const pairs = ["--protocol", "drawn:pairs=60,folds=3", "--data", people, "--degrade", "lr:6"];
    texts.push(await print("evaluate", ...on, ...pairs, "--bins", "quality", "--resamples", "50"));
    texts.push(await print("compare", run, "--resamples", "50"));
    const judged = await print("quality", people, ...on, "--metric", "sharpness", "--degraded");
    texts.push(judged);
    const things = [model, run, join(run, "adapter"), join(run, "evaluation"), join(run, "evaluation", "adapted.json")];
    for (const thing of [...things, people, "presets"]) texts.push(await print("inspect", thing));
    texts.push(await print("embed", ...on, "--images", people, "--out", "e.npy"));
    texts.push(await print("export", ...on, "--out", "face.onnx"));
    texts.push(await print("degrade", people, "degraded", "--to", "lr:6"), await print("inspect", "degraded"));
    texts.push(await print("models"), await print("doctor"));
    expect(texts.flatMap(tooLong)).toEqual([]);
    expect(texts.join("\n")).toMatch(/run.evaluation: results of petalface evaluate/);
  });

  it("of every protocol's guide, which is all that its help shows", async () => {
    const help = await print("evaluate", "--protocol", "tinyface", "--help");
    expect(help).toMatch(/^TinyFace/);
    expect(help).toContain("Testing_Set");
    expect(help).not.toMatch(/--resamples|SCface/);
    expect(namedProtocols.flatMap(({ guide }) => tooLong(fitLines(guide)))).toEqual([]);
  });
});

describe("fitLines", () => {
  it("breaks long lines at spaces, and indents what follows", () => {
    expect(fitLines("  one two three four", 12)).toBe("  one two\n    three\n    four");
    expect(fitLines("short\n", 12)).toBe("short\n");
    expect(fitLines("a /a/very/long/path b", 8)).toBe("a\n  /a/very/long/path\n  b");
    expect(fitLines("two  spaces   stay here", 14)).toBe("two  spaces\n  stay here");
  });
});

describe("plainTable", () => {
  it("breaks the widest cells where a line would be too long", () => {
    const text = plainTable([
      ["NAME", "ABOUT"],
      ["a", "word ".repeat(30).trim()],
      ["b/c,d", "short"],
    ]);
    const lines = text.split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(text.match(/word/g)).toHaveLength(30);
    expect(lines.at(-1)).toBe("b/c,d  short");
  });

  it("breaks cells behind commas and slashes where there is no space", () => {
    const text = plainTable([["x".repeat(60), "/layer1/layer2/layer3/Conv", "1,2,3,4,5,6,7,8,9"]]);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(columns);
  });
});

it("prints commands that a shell takes as they are", () => {
  const command = "adapt --model model.onnx --train synthetic:people=3000,images=4 --preset paper --out runs/paper";
  const text = printCommand(command);
  expect(text).toContain(" \\\n");
  expect(text.replaceAll(/ \\\n +/g, " ")).toBe(`  petalface ${command}`);
});
