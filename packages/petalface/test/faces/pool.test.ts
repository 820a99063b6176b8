import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Piscina } from "piscina";
import { expect, test } from "vitest";
import { closeThreads } from "../../src/faces/pool.ts";
import { temporaryFolder } from "../images/helpers.ts";

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

test("no thread is stopped while it starts", async () => {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "worker.mjs");
  writeFileSync(file, worker);
  const threads = 4;
  const piscina = new Piscina<number, number>({
    filename: pathToFileURL(file).href,
    minThreads: threads,
    maxThreads: threads,
    execArgv: [],
  });
  expect(await piscina.run(7)).toBe(7);
  await closeThreads(piscina, threads, 0);
  expect(readFileSync(join(folder, "ready"), "utf8")).toBe("ready\n".repeat(threads));
});
