import { describe, expect, it } from "vitest";
import { groups, optionEntries } from "../../src/training/index.ts";
import { petalface } from "./process.ts";

const flagsIn = (help: string): string[] =>
  [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag]) => flag ?? "");
const common = ["--help", "--version", "--json", "--quiet", "--debug", "--force"];

describe("adapt --help", () => {
  it("shows the few options that people need first, and says how to see the others", async () => {
    const { code, stdout } = await petalface(["adapt", "--help"]);
    expect(code).toBe(0);
    const flags = flagsIn(stdout).filter((flag) => !common.includes(flag));
    expect(flags.sort()).toEqual(
      [
        ...["--model", "--train", "--out", "--minutes", "--resume", "--val", "--val-data"],
        ...["--preset", "--epochs", "--batch", "--rank", "--lr", "--lr-pixels"],
      ].sort(),
    );
    expect(stdout).toContain("petalface adapt --help all");
  });

  it("shows every option with --help all, by group", async () => {
    const { stdout } = await petalface(["adapt", "--help", "all"]);
    const all = optionEntries.map(([, { flag }]) => flag.split(" ")[0]);
    expect(flagsIn(stdout)).toEqual(expect.arrayContaining(all));
    for (const heading of Object.values(groups)) expect(stdout).toContain(`\n${heading}:\n`);
  });

  it("shows one group by its name, and refuses others", async () => {
    const { stdout } = await petalface(["adapt", "--help", "loss"]);
    const loss = optionEntries.filter(([, { group }]) => group === "loss").map(([, { flag }]) => flag.split(" ")[0]);
    expect(flagsIn(stdout).filter((flag) => !common.includes(flag))).toEqual(loss);
    const wrong = await petalface(["adapt", "--help", "los"]);
    expect(wrong).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining('no help on "los"') });
  });
});

describe("values out of range", () => {
  it.each([
    [["--rank", "0"], "--rank is a whole number from 1 to 4096, not 0"],
    [["--rank", "eight"], '--rank is a whole number from 1 to 4096, not "eight"'],
    [["--loss", "triplet"], "--loss is one of distil, cosface,"],
    [["--lr-pixels", "8,1"], "--lr-pixels is whole numbers from 2 to 4096, not 1"],
  ])("%j", async (args, message) => {
    const { code, stderr } = await petalface(["adapt", ...args]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
