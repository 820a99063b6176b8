import { rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { random } from "../../src/random.ts";
import { openKeptClient } from "./kept-client.ts";
import type { MemoryLine } from "./memory-hook.ts";
import { ask as askOnce, drawnFace, form, makeGallery } from "./server.ts";
import { exited, type ServerProcess, startProcess } from "./server-process.ts";

/** Minutes that the load lasts; `PETALFACE_MIXED_MINUTES=60` is how the figures of docs came. */
const minutes = Number(process.env.PETALFACE_MIXED_MINUTES ?? 0);
/** Requests of the load at most. */
const requests = Number(process.env.PETALFACE_MIXED ?? (minutes > 0 ? 1_000_000 : 480));
const isLong = minutes > 0 || requests > 480;
/** A long load says what memory holds so many times. */
const looks = isLong ? 24 : 4;
/** Clients that ask at once. Those of even numbers keep their connection, the others do not. */
const clients = 8;

/** Asks the process of a server, which has loaded memory-hook.ts. */
async function memoryOf({ child, stderr }: ServerProcess): Promise<MemoryLine> {
  const start = stderr().length;
  child.kill("SIGUSR2");
  for (;;) {
    const line = /^memory (.*)\n/m.exec(stderr().slice(start))?.[1];
    if (line !== undefined) return JSON.parse(line) as MemoryLine;
    if (child.exitCode !== null) throw new Error(`the server has ended: ${stderr()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const megabytes = (bytes: number): number => bytes / 2 ** 20;

test(`${minutes > 0 ? `${minutes} minutes` : `${requests} requests`} of every kind: each is answered, and memory stays flat`, {
  timeout: 7_200_000,
}, async () => {
  const { folder, gallery } = await makeGallery();
  const hook = new URL("./memory-hook.ts", import.meta.url).href;
  const env = { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import ${JSON.stringify(hook)}` };
  using server = await startProcess(gallery, ["--requests", "100000000"], env);
  using kept = openKeptClient(server.address);
  type Ask = (method: string, path: string, body?: FormData) => Promise<number>;
  const overKept: Ask = async (...args) => (await kept.send(...args)).status;
  const overNew: Ask = async (method, path, body) =>
    (await askOnce(server.address, method, path, body, { connection: "close" })).status;

  const photos = await Promise.all(Array.from({ length: 8 }, (_, person) => drawnFace(person)));
  const one = (number: number): Uint8Array => photos[number % photos.length];
  const people = "/v1/galleries/people/people";
  // People who stay, to be searched for.
  for (const person of [0, 1]) await overNew("POST", `${people}/stays ${person}/faces?force=true`, form(one(person)));
  const work: Readonly<Record<string, (ask: Ask, number: number) => Promise<number>>> = {
    embed: (ask, number) => ask("POST", "/v1/embed", form(one(number))),
    search: (ask, number) => ask("POST", "/v1/galleries/people/search", form(one(number))),
    compare: (ask, number) => ask("POST", "/v1/compare", form(one(number), one(number + 1))),
    people: (ask) => ask("GET", people),
    metrics: (ask) => ask("GET", "/metrics"),
    wrong: async (ask) => {
      const status = await ask("POST", "/v1/embed", form(Buffer.from("no picture")));
      return status === 422 ? 200 : status;
    },
    // Who comes goes again: what stays in memory is not what is enrolled.
    enrol: async (ask, number) => {
      const path = `${people}/comes%20${number}`;
      const status = await ask("POST", `${path}/faces?force=true`, form(one(number)));
      const gone = await ask("DELETE", path);
      return status === 201 ? gone : status;
    },
  };
  const kinds = Object.keys(work);
  const counts = new Map<string, number>();
  const stream = random("mixed", 1);
  const begin = performance.now();
  let done = 0;
  /** How much of the load is over: of its requests, or of its time. */
  const share = (): number =>
    Math.max(done / requests, minutes > 0 ? (performance.now() - begin) / (60_000 * minutes) : 0);

  const memory: MemoryLine[] = [];
  for (let look = 1; look <= looks; look++) {
    while (share() < look / looks)
      await Promise.all(
        Array.from({ length: clients }, async (_, client) => {
          const number = done++;
          const kind = kinds[stream.int(kinds.length)];
          const status = await work[kind](client % 2 === 0 ? overKept : overNew, number);
          const key = `${kind} ${client % 2 === 0 ? "kept" : "new"} ${status}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }),
      );
    const now = await memoryOf(server);
    memory.push(now);
    if (isLong)
      console.log(
        `${done} requests, ${((performance.now() - begin) / 60_000).toFixed(1)} min: ${megabytes(now.used).toFixed(1)} MB in use, ${megabytes(now.resident).toFixed(1)} MB resident`,
      );
  }
  const gone = exited(server.child);
  server.child.kill("SIGTERM");
  expect(await gone).toBe(0);
  await rm(folder, { recursive: true, force: true });

  const faults = [...counts.keys()].filter((key) => !/ 20[0-4]$/.test(key));
  expect(faults, JSON.stringify([...counts])).toEqual([]);
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(done);
  // Every kind came over both kinds of connections.
  expect(counts.size).toBeGreaterThanOrEqual(2 * kinds.length);
  expect(kept.reused).toBeGreaterThan(done / 4);
  // The first quarter fills what is kept: compiled code, idempotency, metrics.
  const [before, after] = [memory[looks / 4 - 1], memory[looks - 1]];
  expect(megabytes(after.used - before.used), "MB that were added").toBeLessThan(24);
  expect(after.resident).toBeLessThan(2 ** 30);
});
