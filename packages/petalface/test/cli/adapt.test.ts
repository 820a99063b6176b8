import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { ended, petalface, start } from "./process.ts";

const folder = temporaryFolder("petalface-adapt-");
const model = tinyModelIn(folder);

const adaptInto = (out: string): string[] => [
  ...["adapt", "--model", model, "--train", "synthetic:people=12,images=3", "--out", out, "--rank", "4"],
  ...["--epochs", "60", "--batch", "12", "--lr-pixels", "4,6", "--threads", "1"],
];

test("Ctrl-C stops a run with 130 and a checkpoint, and resuming gives the bits of a run that was never stopped", async () => {
  const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
  const child = start(adaptInto(stopped));
  const end = ended(child);
  while (!(await stat(join(stopped, "run.json")).catch(() => undefined))) await new Promise((go) => setTimeout(go, 5));
  child.kill("SIGINT");
  const { code, stdout, stderr } = await end;
  expect([code, stdout], stderr).toEqual([130, ""]);
  expect(stderr).toMatch(/continue with: petalface adapt --resume .*stopped\n/);
  await expect(stat(join(stopped, "adapter"))).rejects.toThrow(/ENOENT/);

  const resumed = await petalface(["adapt", "--resume", stopped, "--json"]);
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(JSON.parse(resumed.stdout)).toMatchObject({ folder: stopped, steps: 180 });
  expect((await petalface(adaptInto(whole))).code).toBe(0);
  const weights = (run: string): Promise<Buffer> => readFile(join(run, "adapter", "adapter_model.safetensors"));
  expect(await weights(stopped)).toEqual(await weights(whole));
  const lines = (await readFile(join(stopped, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
  expect(lines).toHaveLength(180);
});

test("says what is missing, and never overwrites a run", async () => {
  const usage = { code: 2, stdout: "" };
  expect(await petalface(["adapt", "--model", model])).toMatchObject({
    ...usage,
    stderr: expect.stringMatching(/give --out RUN .* or --resume RUN/),
  });
  expect(await petalface(["adapt", "--out", "x"])).toMatchObject({
    ...usage,
    stderr: expect.stringMatching(/--model/),
  });
  expect(await petalface(["adapt", "--preset", "rose"])).toMatchObject({
    ...usage,
    stderr: expect.stringMatching(/petal, paper/),
  });
  const { code, stderr } = await petalface(adaptInto(folder));
  expect(code).toBe(1);
  expect(stderr).toMatch(/^petalface: .* is not empty; give another --out/m);
});
