import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { threadId as ownThread, type Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openWorkers, type Workers, type WorkersOptions } from "../src/workers.ts";
import { temporaryFolder } from "./support/folder.ts";

const folder = temporaryFolder();
const threadModule = new URL("../src/thread.ts", import.meta.url).href;
let files = 0;

/** Writes the file of a worker; `source` defines `work`. Returns its folder and what opens pools of it. */
function writeWorker(source: string) {
  const own = join(folder, String(files++));
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(own, "worker.js"),
    `import { parentPort, threadId } from "node:worker_threads";
     import { answerTasks } from ${JSON.stringify(threadModule)};
     const folder = ${JSON.stringify(own)};
     ${source}
     answerTasks(parentPort, work);`,
  );
  return {
    folder: own,
    open: <Task, Answer>(options: WorkersOptions<Task>): Workers<Task, Answer> =>
      openWorkers(pathToFileURL(join(own, "pool.js")).href, options),
  };
}

async function texts<Answer>(answers: readonly Promise<Answer>[]): Promise<string[]> {
  const results = await Promise.allSettled(answers);
  return results.map((result) => String(result.status === "fulfilled" ? result.value : result.reason));
}

test("no thread that loads onnxruntime is stopped while it starts", async () => {
  // One thread is ready at once and the others only after a second; each notes it.
  const worker = writeWorker(`
    import { appendFileSync, mkdirSync } from "node:fs";
    import { setTimeout } from "node:timers/promises";
    try {
      mkdirSync(folder + "/first");
    } catch {
      await setTimeout(1000);
    }
    appendFileSync(folder + "/ready", "ready\\n");
    const work = (task) => task;
  `);
  const threads = 4;
  const workers = worker.open<number, number>({ threads, start: "all", last: 0 });
  expect(await workers.run(7)).toBe(7);
  await workers.close();
  expect(readFileSync(join(worker.folder, "ready"), "utf8")).toBe("ready\n".repeat(threads));
});

test("a task whose thread ends is refused, and the others are answered by another thread", async () => {
  const worker = writeWorker(`
    const work = async (task) => {
      if (task === "exit") process.exit(7);
      if (task === "stray") await new Promise(() => setImmediate(() => { throw new Error("a stray error"); }));
      if (task === "own") throw new Error("of the task");
      return task;
    };
  `);
  const workers = worker.open<unknown, string>({ threads: 1, start: "all", last: "" });
  const unsendable = (): void => {};
  expect(await texts(["one", "exit", "two", "stray", "own", unsendable, "three"].map(workers.run))).toEqual([
    "one",
    "PetalfaceError: a thread of the process has ended (exit code 7)",
    "two",
    "PetalfaceError: a thread of the process has ended (a stray error)",
    "Error: of the task",
    expect.stringContaining("DataCloneError"),
    "three",
  ]);
  await workers.close();
  await expect(workers.run("four")).rejects.toThrow("closed");
});

test("tasks are refused where no thread starts again", async () => {
  const worker = writeWorker(`
    import { existsSync, writeFileSync } from "node:fs";
    const mark = folder + "/started";
    if (existsSync(mark)) process.exit(3);
    writeFileSync(mark, "");
    const work = (task) => process.exit(task);
  `);
  const workers = worker.open<number, number>({ threads: 1, start: "all", last: 0 });
  expect(await texts([1, 2].map(workers.run))).toEqual([
    "PetalfaceError: a thread of the process has ended (exit code 1)",
    "PetalfaceError: a thread of the process has ended (exit code 3)",
  ]);
  await workers.close();
});

test("tasks are spread over the threads, and close waits for all of them", async () => {
  const worker = writeWorker(`
    const work = async (task) => {
      await new Promise((resolve) => setTimeout(resolve, task));
      return threadId;
    };
  `);
  const workers = worker.open<number, number>({ threads: 2, start: "asked", last: 0 });
  const answers = Promise.all([50, 50, 1, 1].map(workers.run));
  await workers.close();
  const ids = new Set(await answers);
  expect(ids.size).toBe(2);
  expect(ids).not.toContain(ownThread);
});

describe("threads that are kept", () => {
  /** Answers which thread has worked, and what it has been asked. */
  const noting = `
    const seen = [];
    const work = (task) => {
      if (task === "fail") throw new Error("of the task");
      if (task === "exit") process.exit(7);
      seen.push(task);
      return { threadId, seen };
    };
  `;
  interface Seen {
    readonly threadId: number;
    readonly seen: readonly string[];
  }
  const one = { threads: 1, start: "asked", last: "last", kept: true } as const;
  /** Those that this process has started since the test began. */
  const started: Worker[] = [];
  const note = (worker: Worker): void => void started.push(worker);
  const alive = (): number => started.filter(({ threadId }) => threadId !== -1).length;
  beforeEach(() => {
    started.length = 0;
    process.on("worker", note);
  });
  afterEach(async () => {
    process.off("worker", note);
    vi.useRealTimers();
    await Promise.all(started.map((worker) => worker.terminate()));
  });

  test("wait for the next pool, after their last task, and do not keep the process alive", async () => {
    const worker = writeWorker(noting);
    const holding = (name: string): number => process.getActiveResourcesInfo().filter((each) => each === name).length;
    const kinds = ["MessagePort", "Timeout"];
    const before = kinds.map(holding);
    const first = worker.open<string, Seen>(one);
    const working = first.run("one");
    expect(holding("MessagePort")).toBeGreaterThan(before[0] ?? 0);
    const { threadId } = await working;
    await first.close();
    // Vitest's own may have gone meanwhile.
    for (const [index, kind] of kinds.entries()) expect(holding(kind)).toBeLessThanOrEqual(before[index] ?? 0);
    const second = worker.open<string, Seen>(one);
    expect(await second.run("two")).toEqual({ threadId, seen: ["one", "last", "two"] });
    await second.close();
    expect(started).toHaveLength(1);
  });

  test("belong to one pool at a time, to pools of their file, and to those that keep them", async () => {
    const worker = writeWorker(noting);
    const first = worker.open<string, Seen>(one);
    const { threadId } = await first.run("one");
    const atOnce = worker.open<string, Seen>(one);
    expect((await atOnce.run("two")).threadId).not.toBe(threadId);
    await first.close();
    const other = writeWorker(noting).open<string, Seen>(one);
    expect((await other.run("three")).seen).toEqual(["three"]);
    const unkept = worker.open<string, Seen>({ ...one, kept: false });
    expect((await unkept.run("four")).seen).toEqual(["four"]);
    await Promise.all([atOnce.close(), other.close(), unkept.close()]);
  });

  test("are as many as the machine has cores, which is one in tests", async () => {
    const workers = writeWorker(noting).open<string, Seen>({ ...one, threads: 3, start: "all" });
    await Promise.all(["one", "two", "three"].map(workers.run));
    expect(alive()).toBe(3);
    await workers.close();
    expect(alive()).toBe(1);
  });

  test("are not waited for while they start without a task", async () => {
    const worker = writeWorker("await new Promise(() => setInterval(() => {}, 1000)); const work = () => {};");
    await worker.open<string, Seen>(one).close();
    // The process is told of a new thread a moment later.
    await new Promise((resolve) => setImmediate(resolve));
    expect(alive()).toBe(1);
  });

  test("end after some seconds", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const worker = writeWorker(noting);
    const first = worker.open<string, Seen>(one);
    await first.run("one");
    await first.close();
    vi.advanceTimersByTime(4_000);
    const second = worker.open<string, Seen>(one);
    await second.run("two");
    // The first time to wait is over; the thread has work.
    vi.advanceTimersByTime(60_000);
    expect((await second.run("three")).seen).toEqual(["one", "last", "two", "three"]);
    await second.close();
    const ended = new Promise((resolve) => started[0]?.once("exit", resolve));
    vi.advanceTimersByTime(10_000);
    await ended;
    const third = worker.open<string, Seen>(one);
    expect((await third.run("four")).seen).toEqual(["four"]);
    await third.close();
  });

  test.each([
    ["ended", "one", async (workers: Workers<string, Seen>) => void (await texts([workers.run("exit")]))],
    ["ended while they waited", "last", async () => {}],
    ["failed at their last task", "fail", async () => {}],
  ])("are not used again where they have %s", async (_, last, before) => {
    const worker = writeWorker(noting);
    const first = worker.open<string, Seen>({ ...one, last });
    await first.run("one");
    await before(first);
    await first.close();
    // In the second row it is the thread that waits.
    await started[0]?.terminate();
    const second = worker.open<string, Seen>(one);
    expect((await second.run("two")).seen).toEqual(["two"]);
    await second.close();
  });
});
