import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { openThread } from "../src/thread.ts";
import { temporaryFolder } from "./support/folder.ts";

const folder = temporaryFolder();
const file = pathToFileURL(join(folder, "worker.mjs"));
beforeAll(() => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    file,
    `import { parentPort, workerData } from "node:worker_threads";
     import { answerTasks } from ${JSON.stringify(new URL("../src/thread.ts", import.meta.url).href)};
     answerTasks(parentPort, async (task) => {
       if (task === "exit") process.exit(7);
       if (task === "stray") await new Promise(() => setImmediate(() => { throw new Error("a stray error"); }));
       if (task === "later") setTimeout(() => { throw new Error("after the answer"); }, 1);
       if (task === "own") throw new Error("of the task");
       if (task === "slow") await new Promise((resolve) => setTimeout(resolve, 50));
       return workerData + task;
     });`,
  );
});

const open = () => openThread<string, string>(file, { name: "the test's thread", workerData: "> " });

async function texts(answers: readonly Promise<string>[]): Promise<string[]> {
  const results = await Promise.allSettled(answers);
  return results.map((result) => (result.status === "fulfilled" ? result.value : String(result.reason)));
}

test("a thread answers in order, and goes on after a task that fails", async () => {
  const thread = open();
  const order: string[] = [];
  const answers = ["slow", "own", "two"].map((task) => thread.ask(task).finally(() => order.push(task)));
  expect(await texts(answers)).toEqual(["> slow", "Error: of the task", "> two"]);
  expect(order).toEqual(["slow", "own", "two"]);
  const left = thread.ask("slow");
  await Promise.all([thread.end(), expect(left).rejects.toThrow("the test's thread has ended (exit code 1)")]);
  await expect(thread.ask("one")).rejects.toMatchObject({ code: "PETAL_THREAD_ENDED" });
});

test.each([
  ["exit", "exit code 7"],
  ["stray", "a stray error"],
])("a thread that ends by itself (%s) refuses what it was asked, and says why", async (task, why) => {
  const thread = open();
  const refused = `PetalfaceError: the test's thread has ended (${why})`;
  expect(await texts([thread.ask("one"), thread.ask(task), thread.ask("two")])).toEqual(["> one", refused, refused]);
  expect(String(await thread.lost)).toBe(refused);
  await thread.end();
});

test("a thread that ends while it has nothing to do is noticed", async () => {
  const thread = open();
  expect(await thread.ask("later")).toBe("> later");
  expect((await thread.lost).message).toBe("the test's thread has ended (after the answer)");
});
