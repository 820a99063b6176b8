import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { random } from "../../src/random.ts";
import { drawnFace, form, startTest } from "./server.ts";

/** Requests of the load; `PETALFACE_MIXED=40000` is about an hour on two cores. */
const requests = Number(process.env.PETALFACE_MIXED ?? 480);
/** A long load says what memory holds so many times. */
const looks = requests > 480 ? 24 : 4;
/** Requests that are under way at once. */
const together = 8;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
/** Bytes that are in use once garbage is gone: objects, and buffers outside of the heap. */
async function used(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

test(`${requests} requests of every kind: each is answered, and memory stays flat`, {
  timeout: 7_200_000,
}, async () => {
  await using server = await startTest({ limits: { requestsPerMinute: 1e8 } });
  // Each request has a connection of its own. The server closes kept ones after five idle seconds,
  // which a busy machine may take between two requests; one may then meet a connection that closes.
  const ask = (method: string, path: string, body?: unknown) => server.ask(method, path, body, { connection: "close" });
  const photos = await Promise.all(Array.from({ length: 8 }, (_, person) => drawnFace(person)));
  const one = (number: number): Uint8Array => photos[number % photos.length];
  const gallery = "/v1/galleries/people";
  // People who stay, to be searched for.
  for (const person of [0, 1])
    await ask("POST", `${gallery}/people/stays ${person}/faces?force=true`, form(one(person)));
  const counts = new Map<string, number>();
  const work: Readonly<Record<string, (number: number) => Promise<number>>> = {
    embed: async (number) => (await ask("POST", "/v1/embed", form(one(number)))).status,
    search: async (number) => (await ask("POST", `${gallery}/search`, form(one(number)))).status,
    compare: async (number) => (await ask("POST", "/v1/compare", form(one(number), one(number + 1)))).status,
    people: async () => (await ask("GET", `${gallery}/people`)).status,
    metrics: async () => (await ask("GET", "/metrics")).status,
    wrong: async () => {
      const { status } = await ask("POST", "/v1/embed", form(Buffer.from("no picture")));
      return status === 422 ? 200 : status;
    },
    // Who comes goes again: what stays in memory is not what is enrolled.
    enrol: async (number) => {
      const path = `${gallery}/people/comes ${number}`;
      const { status } = await ask("POST", `${path}/faces?force=true`, form(one(number)));
      const gone = await ask("DELETE", path);
      return status === 201 ? gone.status : status;
    },
  };
  const kinds = Object.keys(work);
  const stream = random("mixed", 1);
  const round = async (from: number, to: number): Promise<void> => {
    for (let start = from; start < to; start += together)
      await Promise.all(
        Array.from({ length: Math.min(together, to - start) }, async (_, at) => {
          const kind = kinds[stream.int(kinds.length)] ?? "embed";
          const status = await work[kind]?.(start + at);
          const key = `${kind} ${status}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }),
      );
  };
  const held: number[] = [];
  const begin = performance.now();
  for (let look = 1; look <= looks; look++) {
    const [from, to] = [look - 1, look].map((at) => Math.round((at * requests) / looks)) as [number, number];
    await round(from, to);
    held.push(await used());
    if (looks > 4)
      console.log(
        `${to} requests, ${((performance.now() - begin) / 60_000).toFixed(1)} min: ${megabytes(held.at(-1) ?? 0)} MB in use, ${megabytes(process.memoryUsage.rss())} MB resident`,
      );
  }
  // The first quarter fills what is kept: compiled code, idempotency, metrics.
  const before = held[looks / 4 - 1] ?? 0;
  const after = held.at(-1) ?? 0;
  const faults = [...counts.keys()].filter((key) => !/ 20[0-4]$/.test(key));
  expect(faults, JSON.stringify([...counts])).toEqual([]);
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(requests);
  expect((after - before) / 2 ** 20, "MB that were added").toBeLessThan(24);
  expect(process.memoryUsage.rss()).toBeLessThan(2 ** 30);
});
