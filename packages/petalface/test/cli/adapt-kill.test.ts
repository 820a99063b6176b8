import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isUnfinished } from "../../src/files.ts";
import { random } from "../../src/random.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { smallSwin, writeNetworkFile } from "../support/network-file.ts";
import { bitsOfRun } from "../support/runs.ts";
import { petalface, start } from "./process.ts";

const folder = temporaryFolder("petalface-kill-");
const model = tinyModelIn(folder);

const adaptInto = (out: string, more: readonly string[]): string[] => [
  ...["adapt", "--model", model, "--train", "synthetic:people=12,images=3", "--out", out, "--rank", "4", "--quiet"],
  ...["--batch", "6", "--sites", "all", "--lr-pixels", "4,6", "--threads", "1", "--checkpoint-seconds", "0", ...more],
];

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Moments to kill at: something seen in the run's folder since the process was started, then a wait
 * in milliseconds.
 */
type Moment = { readonly seen: (run: string, since: number) => Promise<boolean>; readonly wait: number };

/**
 * Whether a file or folder appeared or changed since then. What an earlier, killed process left
 * does not count.
 */
const changed =
  (...path: string[]) =>
  async (run: string, since: number): Promise<boolean> => {
    const entry = await stat(join(run, ...path)).catch(() => undefined);
    return entry !== undefined && entry.mtimeMs >= since;
  };
const partWritten = async (run: string, since: number): Promise<boolean> => {
  const names = await readdir(join(run, "checkpoint")).catch(() => []);
  const unfinished = names.filter(isUnfinished).map((name) => changed("checkpoint", name)(run, since));
  return (await Promise.all(unfinished)).includes(true);
};
/** Whether the checkpoint is from this step or a later one, and was written since then. */
const reached =
  (step: number) =>
  async (run: string, since: number): Promise<boolean> => {
    if (!(await changed("checkpoint", "state.safetensors")(run, since))) return false;
    const bytes = await readFile(join(run, "checkpoint", "state.safetensors")).catch(() => Buffer.of());
    return Number(/"step":"(\d+)"/.exec(bytes.toString("latin1"))?.[1] ?? -1) >= step;
  };

const moments = {
  opening: { seen: async () => true },
  locked: { seen: changed("lock.json") },
  firstCheckpoint: { seen: changed("checkpoint") },
  training: (step: number) => ({ seen: reached(step) }),
  /** Between the beginning of a checkpoint's file and its renaming. */
  writing: (step: number) => ({
    seen: async (run: string, since: number) => (await reached(step)(run, since)) && (await partWritten(run, since)),
  }),
  saving: { seen: changed("adapter") },
};

/**
 * Starts or resumes the run and kills it with SIGKILL at the given moment; true if it was still
 * alive then.
 */
async function killAt(run: string, args: readonly string[], moment: Moment): Promise<boolean> {
  const begun = await exists(join(run, "run.json"));
  const since = Date.now();
  const child = start(begun ? ["adapt", "--resume", run, "--quiet"] : args);
  let ended = false;
  const closed = new Promise<void>((resolve) => {
    child.on("close", () => {
      ended = true;
      resolve();
    });
  });
  child.stdout?.resume();
  child.stderr?.resume();
  while (!ended && !(await moment.seen(run, since))) await new Promise((go) => setTimeout(go, 1));
  if (moment.wait > 0) await new Promise((go) => setTimeout(go, moment.wait));
  child.kill("SIGKILL");
  await closed;
  return child.signalCode === "SIGKILL";
}

test("20 kills at any moment, and the resumed run has every bit of one that was never stopped", async () => {
  const more = ["--loss", "distil+cosface", "--epochs", "20", "--dropout", "0.1", "--tensorboard"];
  const validated = ["--val", "synthetic:people=20,images=2,seed=3", "--val-pixels", "6", "--val-every", "40"];
  const [whole, killed] = [join(folder, "whole"), join(folder, "killed")];
  const args = [...more, ...validated];
  const straight = await petalface(adaptInto(whole, args));
  expect(straight.code, straight.stderr).toBe(0);

  const stream = random("kills", 1);
  const plan: Moment[] = [
    { ...moments.opening, wait: 150 },
    { ...moments.opening, wait: 400 },
    { ...moments.locked, wait: 0 },
    { ...moments.locked, wait: 30 },
    { ...moments.firstCheckpoint, wait: 0 },
    ...[0, 0, 12, 41, 77, 104].flatMap((step, i) => [
      { ...moments.writing(step), wait: 0 },
      ...(i > 0 ? [{ ...moments.training(step + 8), wait: stream.int(20) }] : []),
    ]),
    { ...moments.opening, wait: 300 + stream.int(900) },
    { ...moments.opening, wait: 300 + stream.int(900) },
    { ...moments.saving, wait: 0 },
    { ...moments.saving, wait: 3 },
  ];
  expect(plan).toHaveLength(20);
  let landed = 0;
  for (const moment of plan) if (await killAt(killed, adaptInto(killed, args), moment)) landed++;
  // Only while the adapter is written may a process be quicker than its killer.
  expect(landed).toBeGreaterThanOrEqual(18);
  const last = await petalface(
    (await exists(join(killed, "run.json"))) ? ["adapt", "--resume", killed, "--quiet"] : adaptInto(killed, args),
  );
  expect(last.code, last.stderr).toBe(0);
  expect(await bitsOfRun(killed)).toEqual(await bitsOfRun(whole));
  const lines = (await readFile(join(killed, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
  const steps = lines.map((line) => JSON.parse(line) as { step: number; loss?: number });
  expect(steps.filter(({ loss }) => loss !== undefined).map(({ step }) => step)).toEqual(
    Array.from({ length: 120 }, (_, i) => i + 1),
  );
});

test("the same with SGD, ArcFace and parts of a batch: killed four times", async () => {
  const more = ["--loss", "arcface", "--optimizer", "sgd", "--lr", "0.01", "--epochs", "30", "--accumulate", "2"];
  const [whole, killed] = [join(folder, "whole-head"), join(folder, "killed-head")];
  expect((await petalface(adaptInto(whole, more))).code).toBe(0);
  const plan: Moment[] = [
    { ...moments.firstCheckpoint, wait: 0 },
    { ...moments.writing(30), wait: 0 },
    { ...moments.training(70), wait: 5 },
    { ...moments.saving, wait: 1 },
  ];
  for (const moment of plan) await killAt(killed, adaptInto(killed, more), moment);
  const last = await petalface(["adapt", "--resume", killed, "--quiet"]);
  expect(last.code, last.stderr).toBe(0);
  expect(await bitsOfRun(killed)).toEqual(await bitsOfRun(whole));
});

test("the same with the reference preset, whose running statistics move: killed four times", async () => {
  const swin = join(folder, "swin.onnx");
  await writeNetworkFile(swin, smallSwin);
  const args = (out: string): string[] => [
    ...["adapt", "--model", swin, "--train", "synthetic:people=12,images=3", "--preset", "reference", "--out", out],
    ...["--rank", "4", "--batch", "6", "--accumulate", "2", "--epochs", "8", "--threads", "1", "--quiet"],
    ...["--quality", "sharpness", "--checkpoint-seconds", "0"],
  ];
  const [whole, killed] = [join(folder, "whole-reference"), join(folder, "killed-reference")];
  const straight = await petalface(args(whole));
  expect(straight.code, straight.stderr).toBe(0);
  const plan: Moment[] = [
    { ...moments.firstCheckpoint, wait: 0 },
    { ...moments.writing(10), wait: 0 },
    { ...moments.training(30), wait: 5 },
    { ...moments.saving, wait: 1 },
  ];
  for (const moment of plan) await killAt(killed, args(killed), moment);
  const last = await petalface(["adapt", "--resume", killed, "--quiet"]);
  expect(last.code, last.stderr).toBe(0);
  expect(await bitsOfRun(killed)).toEqual(await bitsOfRun(whole));
});
