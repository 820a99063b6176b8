import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSafetensors } from "../../src/tensors/index.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { ended, petalface, start } from "./process.ts";

const folder = temporaryFolder("petalface-stops-");
const model = tinyModelIn(folder);

const adaptInto = (out: string, ...more: string[]): string[] => [
  ...["adapt", "--model", model, "--train", "synthetic:people=12,images=3", "--out", out, "--rank", "4", "--quiet"],
  ...["--batch", "36", "--sites", "all", "--lr-pixels", "4,6", "--threads", "1", ...more],
];

const appears = async (path: string): Promise<void> => {
  while (!(await stat(path).catch(() => undefined))) await new Promise((go) => setTimeout(go, 5));
};
/** Waits until a file holds this text. */
const holds = async (path: string, text: string): Promise<void> => {
  while (!(await readFile(path, "utf8").catch(() => "")).includes(text)) await new Promise((go) => setTimeout(go, 5));
};

test("a run has one process: a second is refused, a second Ctrl-C ends the first at once, its lock is taken over", async () => {
  const run = join(folder, "locked");
  const child = start(adaptInto(run, "--epochs", "1000000"));
  const end = ended(child);
  await appears(join(run, "checkpoint", "state.safetensors"));
  const second = await petalface(["adapt", "--resume", run]);
  expect(second.code).toBe(1);
  expect(second.stderr).toBe(`petalface: ${run} is being written by process ${child.pid}; wait for it or stop it\n`);
  const third = await petalface(adaptInto(run));
  expect([third.code, third.stderr]).toEqual([
    1,
    `petalface: ${run} is being written by process ${child.pid}; wait for it or stop it\n`,
  ]);
  // Both at once: however far the first one has come, the second ends the process.
  child.kill("SIGINT");
  child.kill("SIGINT");
  await end;
  expect(child.signalCode === "SIGINT" || child.exitCode === 130).toBe(true);
  const again = start(["adapt", "--resume", run, "--quiet"]);
  const stopped = ended(again);
  await holds(join(run, "lock.json"), `"pid":${again.pid},`);
  again.kill("SIGINT");
  expect((await stopped).code).toBe(130);
});

test("a run that diverges stops with its last good state, says what to lower, and goes on with that", async () => {
  const run = join(folder, "diverges");
  const wild = ["--lr", "10", "--scale", "1000", "--warmup", "0", "--weight-decay", "0"];
  const { code, stderr } = await petalface(adaptInto(run, ...wild, "--epochs", "1000000", "--checkpoint-seconds", "0"));
  expect(code, stderr).toBe(1);
  expect(stderr).toMatch(/^petalface: step \d+: .*lower --lr \(now 10\).*--resume .*diverges --lr 2\.5\n$/);
  const { tensors, metadata } = await readSafetensors(join(run, "checkpoint", "state.safetensors"));
  for (const [name, { data }] of tensors) expect((data as Float32Array).every(Number.isFinite), name).toBe(true);
  const kept = Number(metadata.get("step"));
  expect(kept).toBeLessThan(Number(/step (\d+)/.exec(stderr)?.[1]));
  expect(await petalface(["adapt", "--resume", run, "--quiet"])).toMatchObject({ code: 1, stderr });

  const child = start(["adapt", "--resume", run, "--lr", "0.001", "--json"]);
  const end = ended(child);
  await holds(join(run, "run.json"), '"changes"');
  child.kill("SIGINT");
  expect((await end).code).toBe(130);
  const record = JSON.parse(await readFile(join(run, "run.json"), "utf8"));
  expect(record).toMatchObject({
    options: { learningRate: 0.001 },
    changes: [{ step: kept, learningRate: 0.001 }],
  });
});

test("--val keeps the best adapter and stops early; nothing of a run is changed by --resume but the learning rate", async () => {
  const run = join(folder, "validated");
  const faces = ["--val", "synthetic:people=30,images=2,seed=9", "--val-pixels", "6"];
  const early = ["--epochs", "1000", "--val-every", "3", "--patience", "2", "--batch", "12"];
  const { code, stdout, stderr } = await petalface([...adaptInto(run, ...faces, ...early), "--json"]);
  expect(code, stderr).toBe(0);
  const { result, steps, validation } = JSON.parse(stdout);
  expect(result.steps).toBeLessThan(steps);
  expect(result.steps).toBe(result.best.step + 6);
  expect(validation).toMatchObject({ protocol: faces[1], pixels: [6], measure: expect.stringContaining("6 px") });
  const lines = (await readFile(join(run, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
  const values = lines.map((line) => JSON.parse(line)).filter((record) => "validation" in record);
  const best = values.reduce((one, other) => (other.validation.value > one.validation.value ? other : one));
  expect(best).toMatchObject({ step: result.best.step, validation: { best: true, value: result.best.value } });

  const usage = async (...args: string[]): Promise<string> => {
    const outcome = await petalface(["adapt", ...args]);
    expect(outcome.code).toBe(2);
    return outcome.stderr;
  };
  expect(await usage("--resume", run, "--batch", "4")).toMatch(/--batch cannot be given with --resume/);
  expect(await usage(...adaptInto(join(folder, "x"), "--patience", "3").slice(1))).toMatch(/need --val\b/);
  expect(await usage(...adaptInto(join(folder, "x"), "--accumulate", "5").slice(1))).toMatch(/does not divide --batch/);
});
