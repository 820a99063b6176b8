import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer } from "../../src/server/index.ts";
import { ask, drawnFace, startTest, type TestServer } from "./server.ts";

const program = [process.execPath, fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url))];
let server: TestServer;
let place: { readonly folder: string; readonly data: string; readonly program: readonly string[] };

beforeAll(async () => {
  const other = await startTest();
  const data = join(other.folder, "data");
  for (const person of [1, 2, 3, 4])
    for (const image of [0, 1, 2]) {
      await mkdir(join(data, "faces", `${person}`), { recursive: true });
      await writeFile(join(data, "faces", `${person}`, `${image}.png`), await drawnFace(person, image));
    }
  await other.running.close();
  place = { folder: join(other.folder, "jobs"), data, program };
  const running = await startServer({
    galleries: [other.gallery],
    port: 0,
    open: true,
    detector: "none",
    threads: 1,
    jobs: place,
  });
  server = { ...other, running, address: running.address, ask: (...args) => ask(running.address, ...args) };
});
afterAll(async () => {
  await server.running.close();
});

const options = { epochs: 1, rank: 2, batch: 6, "lr-pixels": "4,6" };
/** The events of a job, to its end. */
async function follow(id: string): Promise<string> {
  return (await fetch(`${server.address}/v1/jobs/${id}/events`)).text();
}

test("a job trains, says how far it is, and its adapter is measured by another", async () => {
  const started = await server.ask("POST", "/v1/jobs", { kind: "adapt", train: "faces", options });
  expect(started.status, JSON.stringify(started.body)).toBe(202);
  const { id } = started.body;
  const events = await follow(id);
  const { body } = await server.ask("GET", `/v1/jobs/${id}`);
  expect(body, events).toMatchObject({ kind: "adapt", state: "done", message: null });
  expect(events).toContain('event: state\ndata: "running"');
  expect(events).toContain("event: progress");
  expect(events.trimEnd()).toMatch(/event: state\ndata: "done"$/);
  const measure = { kind: "evaluate", run: id, protocol: "drawn:pairs=20,folds=2", data: "faces" };
  const second = await server.ask("POST", "/v1/jobs", measure);
  const log = await follow(second.body.id);
  expect((await server.ask("GET", `/v1/jobs/${second.body.id}`)).body.state, log).toBe("done");
  expect((await server.ask("GET", "/v1/jobs")).body.jobs).toHaveLength(2);
});

test("a job is cancelled with a checkpoint, found again by the next server, and resumed", async () => {
  const { body } = await server.ask("POST", "/v1/jobs", {
    kind: "adapt",
    train: "faces",
    options: { ...options, epochs: 150 },
  });
  const isState = async (state: string): Promise<void> => {
    while ((await server.ask("GET", `/v1/jobs/${body.id}`)).body.state !== state)
      await new Promise((resolve) => setTimeout(resolve, 50));
  };
  const following = follow(body.id);
  await isState("running");
  // Training has begun, and its first checkpoint is written.
  while (!existsSync(join(place.folder, body.id, "run", "checkpoint")))
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await server.ask("POST", `/v1/jobs/${body.id}/cancel`)).status).toBe(200);
  await following;
  await isState("cancelled");
  expect((await server.ask("POST", `/v1/jobs/${body.id}/cancel`)).body.code).toBe("wrong-state");
  await server.running.close();
  const running = await startServer({
    galleries: [server.gallery],
    port: 0,
    open: true,
    detector: "none",
    threads: 1,
    jobs: place,
  });
  server = { ...server, running, address: running.address, ask: (...args) => ask(running.address, ...args) };
  expect((await server.ask("GET", `/v1/jobs/${body.id}`)).body.state).toBe("cancelled");
  expect((await server.ask("POST", `/v1/jobs/${body.id}/resume`)).status).toBe(200);
  const log = await follow(body.id);
  expect((await server.ask("GET", `/v1/jobs/${body.id}`)).body, log).toMatchObject({ state: "done" });
  expect((await server.ask("POST", `/v1/jobs/${body.id}/resume`)).body.code).toBe("wrong-state");
});

test("a job that names what clients may not name is refused", async () => {
  const status = async (body: object): Promise<number> => (await server.ask("POST", "/v1/jobs", body)).status;
  expect(await status({ kind: "adapt", train: "../faces" })).toBe(400);
  expect(await status({ kind: "adapt", train: "/etc" })).toBe(400);
  expect(await status({ kind: "adapt", train: "none" })).toBe(404);
  expect(await status({ kind: "adapt", train: "faces", options: { out: "/tmp/x" } })).toBe(400);
  expect(await status({ kind: "evaluate", data: "faces", protocol: "/etc/passwd" })).toBe(400);
  expect(await status({ kind: "evaluate", data: "faces", protocol: "drawn", run: "none" })).toBe(404);
  expect((await server.ask("GET", "/v1/jobs/none/events")).status).toBe(404);
});
