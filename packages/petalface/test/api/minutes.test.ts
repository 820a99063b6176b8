import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { expectedOf, printExpected } from "../../src/api/adapt/expected.ts";
import { planSteps, timeSteps } from "../../src/api/adapt/minutes.ts";
import { type RunRecord, readRun, stepsOf, trainingOptions } from "../../src/training/index.ts";
import { petalface } from "../cli/process.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-minutes-");
let model: string;
beforeAll(async () => {
  model = join(folder, "tiny.onnx");
  await writeTinyBackbone(model);
});

const train = "synthetic:people=12,images=3";
const adapt = (...flags: string[]) =>
  petalface([
    ...["adapt", "--model", model, "--train", train, "--rank", "4", "--batch", "12", "--lr-pixels", "4,6"],
    ...["--threads", "1", ...flags],
  ]);

describe("a plan", () => {
  const of = (images: number, choices = {}) => ({
    options: trainingOptions({ batch: 8, ...choices }),
    data: { images },
  });

  test("leaves time for what was spent and for the start, and says what to expect", () => {
    // 600 - 20 - 30 = 550 seconds, at 0.5 seconds a step.
    const { steps, epochs, plan, lines } = planSteps(10, { step: 0.5, start: 20, spent: 30 }, of(1000));
    expect([steps, epochs]).toEqual([1100, 8.8]);
    expect(lines).toEqual([
      "planned for 10 minutes at 16 images/s: 1,100 steps, 8,800 training images, 8.80 epochs, rank 32, learning rate 0.001 (the same again: 'epochs=8.8')",
      printExpected(8800, trainingOptions()),
    ]);
    expect(plan).toEqual({ minutes: 10, imagesPerSecond: 16, expected: expectedOf(8800) });
  });

  test("names the rank only where there is one", () => {
    const [line] = planSteps(10, { step: 0.5, start: 20, spent: 30 }, of(1000, { method: "full" })).lines;
    expect(line).toContain("8.80 epochs, learning rate 0.000125 (");
  });

  test("has at least one step, and says where the minutes leave time for no more", () => {
    const { steps, lines } = planSteps(0.1, { step: 3, start: 5, spent: 20 }, of(100));
    expect(steps).toBe(1);
    expect(lines[0]).toMatch(/; so few minutes leave time for one step alone$/);
  });

  test.each([1, 7, 36, 1000, 27_224, 5_822_653])("gives epochs that make exactly its steps over %i faces", (images) => {
    for (const choices of [{}, { dropLast: true }, { batch: 32 }])
      for (const minutes of [0.2, 3, 61.7, 3000]) {
        const run = of(images, choices);
        const about = (60 * minutes * run.options.batch) / 0.37 / images;
        // Fewer or more epochs cannot be given.
        if (about < 0.01 || about > 5e5) continue;
        const { steps, epochs } = planSteps(minutes, { step: 0.37, start: 1, spent: 2 }, run);
        expect(steps).toBe(Math.floor((60 * minutes - 3) / 0.37));
        expect(stepsOf({ ...run.options, epochs }, images)).toBe(steps);
      }
  });

  test.each([
    [1, 60, 1e6, "'minutes=1' makes 1 steps over 1000000 faces", "0.000008"],
    [1e5, 0.5, 7, "'minutes=100000' makes 12000000 steps over 7 faces", "13714286"],
  ])(
    "of %i minutes at %f s a step over %i faces is refused: no number of epochs is its own",
    (minutes, step, images, what, epochs) => {
      const plan = () => planSteps(minutes, { step, start: 0, spent: 0 }, of(images));
      expect(plan).toThrow(
        `${what}, and 'epochs' is a number from 0.001 to 1000000, not ${epochs}; give 'epochs' instead`,
      );
    },
  );
});

test("steps are timed in a run that leaves nothing", async () => {
  let seconds = 0;
  // Each look at the clock takes a second: two for a step.
  const clock = (): number => 1000 * seconds++;
  const options = { batch: 12, rank: 4, lrPixels: [4, 6], epochs: 100 };
  const out = join(folder, "never");
  const { pace, record } = await timeSteps({ model, train, options, out }, { threads: 1 }, clock);
  expect(pace).toEqual({ step: 2, start: 0, spent: 17 });
  expect(record).toMatchObject({ data: { images: 36 }, options: { batch: 12, rank: 4 } } satisfies object);
  expect(await readdir(folder)).not.toContain("never");
});

describe("petalface adapt --minutes", () => {
  const weights = (run: string): Promise<Buffer> => readFile(join(run, "adapter", "adapter_model.safetensors"));

  test("plans a run that run.json describes as any other: the same epochs give the same bits", async () => {
    const [timed, again] = [join(folder, "timed"), join(folder, "again")];
    // However slow the machine is, there is a step.
    const { code, stdout, stderr } = await adapt("--minutes", "0.03", "--json", "--out", timed);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/planned for 0\.03 minutes at [\d.,]+ images\/s: [\d,]+ steps/);
    const record: RunRecord = await readRun(timed);
    // A fast machine reaches a length that was measured.
    const expected = expectedOf(record.steps * record.options.batch);
    const line = expected.measured.length > 0 ? "of the gain in rank-1" : "what so short a run gains was not measured";
    expect(stderr).toMatch(new RegExp(`${line}.*only a validation says \\(--val\\)`));
    expect(record.options).not.toHaveProperty("minutes");
    expect(record.plan).toEqual({ minutes: 0.03, imagesPerSecond: expect.any(Number), expected });
    expect(JSON.parse(stdout)).toMatchObject({ plan: record.plan });
    expect(record.steps).toBe(stepsOf(record.options, 36));
    const named = /the same again: --epochs ([\d.e-]+)\)/.exec(stderr)?.[1];
    expect(Number(named)).toBe(record.options.epochs);
    expect((await adapt("--epochs", String(named), "--out", again)).code).toBe(0);
    expect(await weights(again)).toEqual(await weights(timed));
    expect((await readFile(join(timed, "metrics.jsonl"), "utf8")).trimEnd().split("\n")).toHaveLength(record.steps);
  });

  test.each([
    [["--minutes", "1", "--epochs", "1", "--out", "x"], /--minutes.*--epochs|--epochs.*--minutes/s],
    [["--minutes", "0", "--out", "x"], /--minutes is a number above 0, at most 100000, not 0/],
    [["--minutes", "soon", "--out", "x"], /not a number/],
  ])("%j is wrong usage", async (flags, message) => {
    expect(await adapt(...flags)).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(message) });
  });

  test("is not for a run that goes on, and never looks at a folder that is in use", async () => {
    const resumed = await petalface(["adapt", "--resume", join(folder, "timed"), "--minutes", "1"]);
    expect(resumed).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--minutes cannot be given with --resume"),
    });
    const used = await adapt("--minutes", "1", "--out", folder);
    expect(used.code).toBe(1);
    expect(used.stderr).toMatch(/ is not empty; give another --out/);
    expect(used.stderr).not.toContain("timing");
  });
});
