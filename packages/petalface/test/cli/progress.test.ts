import { describe, expect, test } from "vitest";
import { createProgress, formatDuration } from "../../src/cli/progress.ts";
import { invoke } from "../../src/cli/run.ts";

function recorder(isTTY: boolean) {
  const written: string[] = [];
  let time = 0;
  return {
    written,
    stream: { isTTY, columns: 60, write: (text: string) => written.push(text) },
    now: () => time,
    wait: (ms: number) => {
      time += ms;
    },
  };
}

describe("before a command has loaded anything", () => {
  const call = async (isTTY: boolean, ...args: string[]) => {
    const written: string[] = [];
    const stream = { isTTY, columns: 60, write: (text: string) => written.push(text) };
    const { run, report } = invoke(args, { stdout: stream, stderr: stream }, new AbortController().signal);
    const first = [...written];
    await run().catch(report);
    return { first, written };
  };

  test("a terminal shows its name, and the line goes when anything else is written", async () => {
    const { first, written } = await call(true, "compare", "nowhere");
    expect(first).toEqual(["petalface compare: loading"]);
    expect(written.slice(1)).toEqual(["\r\u001b[K", expect.stringMatching(/^petalface: .*nowhere/)]);
  });

  test.each([
    [false, ["compare", "nowhere"]],
    [true, ["compare", "nowhere", "--quiet"]],
    [true, ["--version"]],
    [true, ["compare", "--help"]],
  ])("nothing is shown where it is no terminal (%s), or not asked for: %s", async (isTTY, args) => {
    const { first, written } = await call(isTTY, ...args);
    expect(first).toEqual([]);
    expect(written.join("")).not.toContain("loading");
  });
});

test("off a terminal: a plain line after a second and every five, then the sum", () => {
  const { written, stream, now, wait } = recorder(false);
  const progress = createProgress({ label: "embedding", total: 2000, unit: "faces", stream, now });
  for (let done = 100; done <= 1200; done += 100) {
    wait(1000);
    progress.update(done, "loss 0.5");
  }
  progress.close();
  expect(written).toEqual([
    "embedding 100/2,000 faces  5 %  100/s  0:19 left  loss 0.5\n",
    "embedding 600/2,000 faces  30 %  100/s  0:14 left  loss 0.5\n",
    "embedding 1,100/2,000 faces  55 %  100/s  0:09 left  loss 0.5\n",
    "embedding 1,200 faces in 0:12, 100/s\n",
  ]);
});

test("on a terminal: redrawn in place, never longer than the line", () => {
  const { written, stream, now, wait } = recorder(true);
  const progress = createProgress({ label: "training", total: 10, unit: "steps", stream, now });
  progress.update(0, "x".repeat(100));
  wait(50);
  progress.update(1);
  wait(60);
  progress.update(2);
  progress.close();
  expect(written).toHaveLength(3);
  const head = "training 0/10 steps  0 %  ";
  expect(written[0]).toBe(`\r${head}${"x".repeat(59 - head.length)}\u001b[K`);
  expect(written[1]).toBe("\rtraining 2/10 steps  20 %  18/s  0:00 left\u001b[K");
  expect(written[2]).toBe("\r\u001b[Ktraining 2 steps in 0:00, 18/s\n");
});

test("a resumed run's rate counts from where it began", () => {
  const { written, stream, now, wait } = recorder(false);
  const progress = createProgress({ label: "training", total: 1000, unit: "images", from: 500, stream, now });
  wait(5000);
  progress.update(510);
  expect(written).toEqual(["training 510/1,000 images  51 %  2.0/s  4:05 left\n"]);
});

test("the rate is that of the last half minute", () => {
  const { written, stream, now, wait } = recorder(false);
  const progress = createProgress({ label: "x", total: 10_000, unit: "y", stream, now });
  for (let step = 0, done = 0; step < 24; step++) {
    wait(5000);
    done += step < 12 ? 0 : 50;
    progress.update(done);
  }
  expect(written.at(-1)).toContain("  10/s  ");
});

test("an unknown total shows no share; a silent one writes nothing", () => {
  const { written, stream, now, wait } = recorder(false);
  const progress = createProgress({ label: "reading", total: 0, unit: "records", stream, now });
  wait(5000);
  progress.update(50);
  expect(written).toEqual(["reading 50 records  10/s\n"]);
  const silent = createProgress({ label: "a", total: 1, unit: "b", stream: undefined });
  silent.update(1);
  silent.close();
});

test("durations", () => {
  expect([0, 59.6, 3599, 3600, 90_061].map(formatDuration)).toEqual(["0:00", "1:00", "59:59", "1:00:00", "25:01:01"]);
});
