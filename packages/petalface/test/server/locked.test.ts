import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openGallery } from "../../src/gallery/index.ts";
import { type Limits, startServer } from "../../src/server/index.ts";
import { holdLock } from "../gallery/lock-holder.ts";
import { type Asked, ask as askAt, drawnFace, form, makeGallery } from "./server.ts";

const start = (folder: string, limits: Partial<Limits>) =>
  startServer({
    galleries: [join(folder, "people.db"), join(folder, "others.db")],
    ...{ port: 0, open: true, detector: "none", threads: 1, gate: { alpha: 0, side: 1 }, limits },
  });
const faces = (name: string, person: string): string => `/v1/galleries/${name}/people/${person}/faces?force=true`;

/** The galleries `people` and `others`, each with two people. */
let enrolled: string;
beforeAll(async () => {
  const { folder, gallery } = await makeGallery();
  await copyFile(gallery, join(folder, "others.db"));
  const { address, close } = await start(folder, {});
  for (const name of ["people", "others"])
    for (const person of [0, 1]) {
      const { status } = await askAt(address, "POST", faces(name, `p${person}`), form(await drawnFace(person)));
      expect(status).toBe(201);
    }
  await close();
  enrolled = folder;
});
afterAll(() => rm(enrolled, { recursive: true, force: true }));

/** A server with galleries of its own, which are those of `enrolled`. */
async function startTwo(limits: Partial<Limits> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "petalface-locked-"));
  for (const name of ["people.db", "others.db"]) await copyFile(join(enrolled, name), join(folder, name));
  const gallery = join(folder, "people.db");
  const { address, close } = await start(folder, limits);
  return {
    gallery,
    ask: (method: string, path: string, body?: unknown) => askAt(address, method, path, body),
    enrol: async (name: string, person: number): Promise<Asked> =>
      askAt(address, "POST", faces(name, `p${person}`), form(await drawnFace(person))),
    search: async (name: string): Promise<Asked> =>
      askAt(address, "POST", `/v1/galleries/${name}/search`, form(await drawnFace(0))),
    async [Symbol.asyncDispose]() {
      await close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test.each(["IMMEDIATE", "EXCLUSIVE"] as const)(
  "while another process holds a gallery's lock (BEGIN %s), everything but its changes is answered",
  async (kind) => {
    // On a slow machine the enrolment waits for long.
    await using server = await startTwo({ time: 600_000 });
    const before = (await server.search("people")).body.photos;
    const lock = await holdLock(server.gallery, kind);
    let isDone = false;
    const enrolment = server.enrol("people", 2).finally(() => {
      isDone = true;
    });
    for (let round = 0; round < 8; round++) {
      // An enrolment takes the way of the first one: that one is at the lock by now.
      expect((await server.enrol("others", 3 + round)).status).toBe(201);
      const answers = await Promise.all([
        ...["/health", "/ready", "/v1/galleries"].map((path) => server.ask("GET", path)),
        server.search("others"),
        server.search("people"),
        server.ask("GET", "/v1/galleries/people/people"),
        server.ask("POST", "/v1/embed", form(await drawnFace(round))),
      ]);
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect(answers[4]?.body.photos).toEqual(before);
    }
    expect(isDone).toBe(false);
    await lock.release();
    expect(await enrolment).toMatchObject({ status: 201, body: { added: 1, people: 1 } });
    const { body } = await server.ask("GET", "/v1/galleries/people/people");
    expect(body.people.map(({ name }: { name: string }) => name)).toEqual(["p0", "p1", "p2"]);
  },
);

test("an enrolment that waits too long is answered with 503 and made not even by half", async () => {
  await using server = await startTwo({ time: 3000 });
  const lock = await holdLock(server.gallery);
  const { status, headers, body } = await server.enrol("people", 2);
  expect(status).toBe(503);
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  // On a slow machine the request's time is up before it comes to the lock.
  expect(["unavailable", "timeout"]).toContain(body.code);
  await lock.release();
  await using store = await openGallery(server.gallery);
  expect(await store.count()).toBe(2);
  let again = await server.enrol("people", 2);
  while (again.status === 503) again = await server.enrol("people", 2);
  expect(again).toMatchObject({ status: 201, body: { added: 1, people: 1 } });
  expect(await store.check()).toEqual([]);
});

test("changes that wait for a gallery are limited", async () => {
  await using server = await startTwo({ queue: 2, time: 600_000 });
  const lock = await holdLock(server.gallery);
  const patches = [0, 1, 0].map((person, at) =>
    server.ask("PATCH", `/v1/galleries/people/people/p${person}`, { name: `other ${at}` }),
  );
  const first = await Promise.race(patches);
  expect([first.status, first.body.code, first.headers.get("retry-after")]).toEqual([503, "busy", "5"]);
  expect((await server.search("others")).status).toBe(200);
  await lock.release();
  const statuses = (await Promise.all(patches)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 503)).toHaveLength(1);
  expect((await server.ask("GET", "/v1/galleries/people/people")).status).toBe(200);
});
