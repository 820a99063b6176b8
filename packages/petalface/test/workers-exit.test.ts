import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { temporaryFolder } from "./support/folder.ts";

const folder = temporaryFolder();
const source = (name: string): string => JSON.stringify(new URL(`../src/${name}`, import.meta.url).href);
const sharp = JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve("sharp")).href);
// As the threads that prepare images: with native code, and idle now.
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
writeFileSync(
  join(folder, "worker.js"),
  `import { parentPort } from "node:worker_threads";
   import ${sharp};
   import { answerTasks } from ${source("thread.ts")};
   answerTasks(parentPort, (task) => task);`,
);

test.each([
  ["has nothing more to do", "", 0, null],
  ["exits", "process.exit(3);", 3, null],
  ["fails", 'throw new Error("of the process");', 1, null],
  ["is interrupted", 'setInterval(() => {}, 1000); process.kill(process.pid, "SIGINT");', null, "SIGINT"],
])("a process with a thread that waits for the next pool ends as others where it %s", (_, end, status, signal) => {
  const program = `
    import { openWorkers } from ${source("workers.ts")};
    const workers = openWorkers(import.meta.url, { threads: 1, start: "all", last: 0, kept: true });
    console.log(await workers.run("answered"));
    await workers.close();
    ${end}`;
  writeFileSync(join(folder, "program.js"), program);
  const run = spawnSync(process.execPath, [join(folder, "program.js")], { encoding: "utf8" });
  expect([run.status, run.signal, run.stdout]).toEqual([status, signal, "answered\n"]);
  expect(run.stderr).toContain(status === 1 ? "of the process" : "");
});
