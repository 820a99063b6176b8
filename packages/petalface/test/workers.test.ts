import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { openWorkers } from "../src/workers.ts";
import { temporaryFolder } from "./support/folder.ts";

const folder = temporaryFolder();

/**
 * A worker that one thread loads at once and the others only after a second; each notes when it is
 * ready.
 */
const worker = `
  import { appendFileSync, mkdirSync } from "node:fs";
  import { join } from "node:path";
  import { setTimeout } from "node:timers/promises";
  const folder = ${JSON.stringify(folder)};
  try {
    mkdirSync(join(folder, "first"));
  } catch {
    await setTimeout(1000);
  }
  appendFileSync(join(folder, "ready"), "ready\\n");
  export default (task) => task;
`;

test("no thread that loads onnxruntime is stopped while it starts", async () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "worker.js"), worker);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const threads = 4;
  const workers = openWorkers<number, number>(pathToFileURL(join(folder, "pool.js")).href, {
    threads,
    start: "all",
    workerData: undefined,
  });
  expect(await workers.run(7)).toBe(7);
  await workers.closeStarted(0);
  expect(readFileSync(join(folder, "ready"), "utf8")).toBe("ready\n".repeat(threads));
});

test("a task whose thread ends is refused, and the others are answered by another thread", async () => {
  const file = join(folder, "ends");
  mkdirSync(file, { recursive: true });
  writeFileSync(join(file, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(file, "worker.js"),
    `export default async (task) => {
       if (task === "exit") process.exit(7);
       if (task === "stray") await new Promise(() => setImmediate(() => { throw new Error("a stray error"); }));
       if (task === "own") throw new Error("of the task");
       return task;
     };`,
  );
  const workers = openWorkers<string, string>(pathToFileURL(join(file, "pool.js")).href, {
    threads: 1,
    start: "all",
    workerData: undefined,
  });
  const results = await Promise.allSettled(["one", "exit", "two", "stray", "own", "three"].map(workers.run));
  const texts = results.map((result) => (result.status === "fulfilled" ? result.value : String(result.reason)));
  expect(texts).toEqual([
    "one",
    "PetalfaceError: a thread of the process has ended (worker exited with code: 7)",
    "two",
    "PetalfaceError: a thread of the process has ended (a stray error)",
    "Error: of the task",
    "three",
  ]);
  await workers.close();
});

test("tasks are refused where no thread starts again", async () => {
  const file = join(folder, "never");
  mkdirSync(file, { recursive: true });
  writeFileSync(join(file, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(file, "worker.js"),
    `import { existsSync, writeFileSync } from "node:fs";
     const mark = ${JSON.stringify(join(file, "started"))};
     if (existsSync(mark)) process.exit(3);
     writeFileSync(mark, "");
     export default (task) => process.exit(task);`,
  );
  const workers = openWorkers<number, number>(pathToFileURL(join(file, "pool.js")).href, {
    threads: 1,
    start: "all",
    workerData: undefined,
  });
  const results = await Promise.allSettled([1, 2].map(workers.run));
  expect(results.map((result) => (result.status === "rejected" ? String(result.reason) : result.value))).toEqual([
    "PetalfaceError: a thread of the process has ended (worker exited with code: 1)",
    "PetalfaceError: a thread of the process has ended (it cannot be started again)",
  ]);
  await workers.close();
});
