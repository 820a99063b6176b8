import { rm } from "node:fs/promises";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openGallery } from "../../src/gallery/index.ts";
import { petalface } from "../cli/process.ts";
import { openThreadEnder, type ThreadEnder } from "../support/end-thread.ts";
import { type Asked, drawnFace, form, makeGallery, startTest, type TestServer } from "./server.ts";

/** Threads that this process has started since the test began. */
const threads: Worker[] = [];
/** Those that have loaded a graph. */
const engines: Worker[] = [];
let ender: ThreadEnder;
let onEngine = (_: Worker): void => {};
const watch = (worker: Worker): void => {
  threads.push(worker);
  worker.on("message", (sent: { readonly answer?: unknown }) => {
    if (typeof sent.answer !== "object" || sent.answer === null || !("inputs" in sent.answer)) return;
    engines.push(worker);
    onEngine(worker);
  });
};
beforeEach(() => {
  threads.length = 0;
  engines.length = 0;
  onEngine = () => {};
  ender = openThreadEnder();
  process.on("worker", watch);
});
afterEach(() => {
  process.off("worker", watch);
  ender[Symbol.dispose]();
});

/**
 * The engine that works now. An enrolment may be acknowledged after the engine that embedded it has
 * ended, and before the next one is there.
 */
async function currentEngine(): Promise<Worker> {
  for (;;) {
    const engine = engines.findLast(isAlive);
    if (engine !== undefined && ender.knows(engine)) return engine;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const isAlive = ({ threadId }: Worker): boolean => threadId !== -1;

/** Asks until an answer is as expected. */
async function until(ask: () => Promise<Asked>, status: number): Promise<void> {
  while ((await ask()).status !== status) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Clients that ask one request after the other until they are stopped; answers by their status. */
function load(work: () => Promise<Asked>, clients: number) {
  const answers: Asked[] = [];
  let isOver = false;
  const one = async (): Promise<void> => {
    while (!isOver) answers.push(await work());
  };
  const all = Promise.all(Array.from({ length: clients }, one));
  // Where a test fails before it stops them, its server goes first.
  all.catch(() => {});
  return {
    answers,
    async stop() {
      isOver = true;
      await all;
    },
  };
}

const ready = (server: TestServer) => () => server.ask("GET", "/ready");

describe("a thread that ends under load", () => {
  test("the engine's: every request is answered, and what was acknowledged is there", async () => {
    const lines: string[] = [];
    const lost = "the engine's thread has ended (an error of no task); it is being started again";
    await using server = await startTest({ note: (line) => lines.push(line) });
    const photo = await drawnFace(1);
    const acknowledged = new Set<string>();
    let number = 0;
    const embeds = load(() => server.ask("POST", "/v1/embed", form(photo)), 3);
    const enrolments = load(async () => {
      const name = `person ${number++}`;
      const path = `/v1/galleries/people/people/${encodeURIComponent(name)}/faces?force=true`;
      const answer = await server.ask("POST", path, form(await drawnFace(number)));
      if (answer.status === 201) acknowledged.add(name);
      return answer;
    }, 2);
    for (let round = 0; round < 3; round++) {
      const before = acknowledged.size;
      while (acknowledged.size === before) await new Promise((resolve) => setTimeout(resolve, 5));
      await ender.end(await currentEngine());
      const answer = await ready(server)();
      // On a slow machine the engine may be back by now.
      if (lines.at(-1) === lost) expect(answer).toMatchObject({ status: 503, body: { code: "restarting" } });
      await until(ready(server), 200);
    }
    const [seen, enrolled] = [embeds.answers.length, acknowledged.size];
    while (embeds.answers.length < seen + 6 || acknowledged.size < enrolled + 2)
      await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.all([embeds.stop(), enrolments.stop()]);
    const answers = [...embeds.answers, ...enrolments.answers];
    expect([...new Set(answers.map(({ status }) => status))].toSorted()).toEqual([200, 201, 503]);
    const refused = answers.filter(({ status }) => status === 503);
    for (const { headers, body } of refused) {
      expect(headers.get("retry-after")).toBe("1");
      expect(body).toMatchObject({ code: "restarting", detail: expect.stringContaining("the engine's thread") });
    }
    // What came when all was well again.
    expect(embeds.answers.slice(-3).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(lines).toEqual(Array.from({ length: 3 }, () => [lost, "the engine's thread is back"]).flat());
    const store = await openGallery(server.gallery);
    const names = new Set((await store.people()).map(({ name }) => name));
    await store.close();
    expect([...acknowledged].filter((name) => !names.has(name))).toEqual([]);
  });

  test("one that decodes photos: the others' requests are answered", async () => {
    await using server = await startTest();
    const photo = await drawnFace(2);
    const embeds = load(() => server.ask("POST", "/v1/embed", form(photo)), 4);
    for (let round = 0; round < 3; round++) {
      const before = embeds.answers.length;
      while (embeds.answers.length < before + 4) await new Promise((resolve) => setTimeout(resolve, 5));
      // Without a detector it has no engine, which `terminate` would stop amid native code.
      await threads.findLast((thread) => isAlive(thread) && !engines.includes(thread))?.terminate();
    }
    const before = embeds.answers.length;
    while (embeds.answers.length < before + 8) await new Promise((resolve) => setTimeout(resolve, 5));
    await embeds.stop();
    const others = embeds.answers.filter(({ status }) => status !== 200);
    expect(others.map(({ status, body }) => [status, body.code])).toEqual(others.map(() => [503, "restarting"]));
    expect(embeds.answers.slice(-4).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  test("one that searches: the next search has another one", async () => {
    await using server = await startTest();
    for (const person of [0, 1])
      await server.ask(
        "POST",
        `/v1/galleries/people/people/p${person}/faces?force=true`,
        form(await drawnFace(person)),
      );
    const photo = await drawnFace(0);
    const search = (): Promise<Asked> => server.ask("POST", "/v1/galleries/people/search", form(photo));
    const before = await search();
    expect(before.status).toBe(200);
    const own = threads.filter((thread) => isAlive(thread) && !engines.includes(thread));
    const searches = load(search, 4);
    await Promise.all(own.map((thread) => thread.terminate()));
    const count = searches.answers.length;
    while (searches.answers.length < count + 8) await new Promise((resolve) => setTimeout(resolve, 5));
    await searches.stop();
    const others = searches.answers.filter(({ status }) => status !== 200);
    expect(others.map(({ body }) => body.code)).toEqual(others.map(() => "restarting"));
    expect((await search()).body.photos).toEqual(before.body.photos);
  });
});

test("a server whose engine ends again and again ends with one line and exit code 1", async () => {
  const { folder, gallery } = await makeGallery();
  // It has nothing to do: nothing native runs that this would stop.
  onEngine = (worker) => void worker.terminate();
  const flags = ["--open", "--port", "0", "--detector", "none", "--threads", "1"];
  const { code, stderr } = await petalface(["serve", "--gallery", gallery, ...flags]);
  expect(code).toBe(1);
  expect(stderr.trimEnd().split("\n").at(-1)).toBe(
    "petalface: the engine's thread has ended (exit code 1), and starting it again did not help (4 times)",
  );
  expect(stderr.split("\n").filter((line) => line.startsWith("petalface: "))).toHaveLength(1);
  await rm(folder, { recursive: true, force: true });
});
