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
