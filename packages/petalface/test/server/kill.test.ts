import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openGallery } from "../../src/gallery/index.ts";
import { encodePixels } from "../../src/images/index.ts";
import { random } from "../../src/random.ts";
import { ask, form, makeGallery } from "./server.ts";
import { exited, startProcess } from "./server-process.ts";

let folder: string;
let gallery: string;
beforeAll(async () => {
  ({ folder, gallery } = await makeGallery());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A picture of noise: no two are alike. */
async function noise(number: number): Promise<Uint8Array> {
  const stream = random("noise", number);
  return encodePixels({ width: 16, height: 16, data: Uint8Array.from({ length: 768 }, () => stream.int(256)) });
}

// First: a process that ends by itself leaves its compiled code, with which the others start.
test("SIGTERM: requests that are under way are answered, and the exit code is 0", async () => {
  using server = await startProcess(gallery);
  const { child, address, stderr } = server;
  const photos = await Promise.all(Array.from({ length: 32 }, (_, at) => noise(100_000 + at)));
  const ending = exited(child);
  const inFlight = Array.from({ length: 2 }, (_, at) =>
    ask(address, "POST", `/v1/galleries/people/people/last%20${at}/faces?force=true`, form(...photos)),
  );
  // Both have arrived when a third request is answered.
  while (!/queued_photos [1-9]/.test((await ask(address, "GET", "/metrics")).body)) await new Promise(setImmediate);
  child.kill("SIGTERM");
  expect((await Promise.all(inFlight)).map(({ status, body }) => [status, body.added])).toEqual([
    [201, 32],
    [201, 32],
  ]);
  expect(await ending, stderr()).toBe(0);
  await expect(ask(address, "GET", "/health")).rejects.toThrow();
});

test("killed amid enrolments 20 times, the gallery holds every face that was acknowledged", async () => {
  const acknowledged = new Set<string>();
  let number = 0;
  for (let round = 0; round < 20; round++) {
    using server = await startProcess(gallery);
    const { child, address } = server;
    const before = acknowledged.size;
    let isKilled = false;
    const enrol = async (): Promise<void> => {
      while (!isKilled) {
        const own = number++;
        const path = `/v1/galleries/people/people/person%20${own}/faces?force=true`;
        const answer = await ask(address, "POST", path, form(await noise(own))).catch(() => undefined);
        if (answer?.status === 201) acknowledged.add(`person ${own}`);
      }
    };
    const clients = [enrol(), enrol(), enrol(), enrol()];
    // Killed between two enrolments or amid one, after at least one was acknowledged.
    while (acknowledged.size === before) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, random("kill", round).int(120)));
    const gone = exited(child);
    child.kill("SIGKILL");
    isKilled = true;
    await gone;
    await Promise.all(clients);
    await using store = await openGallery(gallery);
    const names = new Set((await store.people()).map(({ name }) => name));
    expect([...acknowledged].filter((name) => !names.has(name))).toEqual([]);
    expect(await store.check()).toEqual([]);
  }
  expect(acknowledged.size).toBeGreaterThanOrEqual(20);
});
