import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { longestMeasured, measuredLengths } from "../../src/api/adapt/expected.ts";
import { openGallery } from "../../src/gallery/index.ts";
import { startServer } from "../../src/server/index.ts";
import { openJobs } from "../../src/server/jobs/jobs.ts";
import { compareIn } from "../../src/server/routes/job-files.ts";
import { commandLine } from "../cli/process.ts";
import { ask, drawnFace, form, startTest, type TestServer } from "./server.ts";

const program = [process.execPath, commandLine];
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
  await rm(server.folder, { recursive: true, force: true });
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
  expect(body.rate).toBeGreaterThan(0);

  // What it measured: a report, and a comparison of the two models.
  const measured = second.body.id;
  const report = await fetch(`${server.address}/v1/jobs/${measured}/report`);
  expect([report.status, report.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(report.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(await report.text()).toContain("<h1>petalface evaluation");
  const compare = (before: string, after: string) =>
    server.ask("GET", `/v1/comparison?${new URLSearchParams({ before, after })}`);
  const same = await compare(`${measured}/frozen`, `${measured}/frozen`);
  expect(same.status, JSON.stringify(same.body)).toBe(200);
  expect(same.body.rows.map((row: { verdict: string }) => row.verdict)).toEqual(same.body.rows.map(() => "the same"));
  const both = (await compare(`${measured}/frozen`, `${measured}/adapted`)).body;
  const results = (await server.ask("GET", `/v1/jobs/${measured}`)).body.result;
  const measures = (name: string): { key: string; value: number }[] => results[name].measures;
  for (const { key, before, after, difference } of both.rows) {
    expect(before.value).toBe(measures("frozen").find((each) => each.key === key)?.value);
    expect(after.value).toBe(measures("adapted").find((each) => each.key === key)?.value);
    expect(difference.value).toBeCloseTo(after.value - before.value, 9);
    expect(before.low).toBeLessThanOrEqual(before.value);
  }
  for (const { before, after } of both.curves)
    for (const points of [before, after]) {
      expect(points.at(-1)).toEqual([1, 1]);
      expect(points).toEqual(points.toSorted((a: number[], b: number[]) => a[0] - b[0]));
    }
  expect((await compare(`${id}/frozen`, `${measured}/adapted`)).body.code).toBe("wrong-state");
  expect((await compare("../x/frozen", `${measured}/adapted`)).status).toBe(400);
  expect((await server.ask("GET", `/v1/jobs/${id}/report`)).status).toBe(404);

  // A model for a product, to be downloaded.
  const made = await server.ask("POST", "/v1/jobs", { kind: "export", run: id });
  const exporting = await follow(made.body.id);
  expect((await server.ask("GET", `/v1/jobs/${made.body.id}`)).body.state, exporting).toBe("done");
  const { files } = (await server.ask("GET", `/v1/jobs/${made.body.id}/files`)).body;
  expect(files.map(({ path }: { path: string }) => path)).toEqual(["face.onnx"]);
  const file = (path: string) =>
    fetch(`${server.address}/v1/jobs/${made.body.id}/file?${new URLSearchParams({ path })}`);
  const bytes = await (await file("face.onnx")).arrayBuffer();
  expect(bytes.byteLength).toBe(files[0].bytes);
  for (const path of ["../job.json", "/etc/passwd", ".petalface.sha256", "none"])
    expect((await file(path)).status, path).toBe(404);
});

test("a job is started once, however often its key is sent", async () => {
  const given = { kind: "adapt", train: "faces", options };
  const key = { "idempotency-key": "once" };
  const one = await server.ask("POST", "/v1/jobs", given, key);
  const again = await server.ask("POST", "/v1/jobs", given, key);
  expect([again.status, again.body.id, again.headers.get("idempotency-replayed")]).toEqual([202, one.body.id, "true"]);
  const other = { ...given, options: { ...options, rank: 3 } };
  expect((await server.ask("POST", "/v1/jobs", other, key)).body.code).toBe("reused-key");
  await follow(one.body.id);
});

test("folders of faces are listed, with sample faces and how fast training is", async () => {
  expect((await server.ask("GET", "/v1/data")).body).toEqual({ folders: [{ name: "faces", people: 4 }] });
  const { body } = await server.ask("GET", "/v1/data/faces");
  expect(body).toMatchObject({ people: 4, images: 12, shownAs: ["as given", "24 px", "16 px", "12 px"] });
  expect(body.speed.imagesPerSecond).toBeGreaterThan(0);
  expect(body.lengths.longest).toBe(longestMeasured);
  expect(body.lengths.measured).toEqual(
    measuredLengths.map(({ network, images, at16 }) => ({ network, images, at16: [...at16] })),
  );
  expect(body.faces).toHaveLength(6);
  for (const { images } of body.faces)
    for (const image of images) expect(Buffer.from(image, "base64").subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]));
  for (const name of ["none", "..", "%2e%2e%2fetc"])
    expect((await server.ask("GET", `/v1/data/${name}`)).status, name).toBeGreaterThanOrEqual(400);
});

describe("a program that cannot be started", () => {
  // Node's spawn throws for the first, and reports the second later.
  test.each([
    ["petal\0face", "must be a string without null bytes"],
    ["/no/such/petalface", "spawn /no/such/petalface ENOENT"],
  ])("%j fails the job in one line, and the next job runs", async (command, reason) => {
    const folder = await mkdtemp(join(tmpdir(), "petalface-jobs-"));
    const jobs = await openJobs(folder, [command]);
    const { id } = await jobs.start({ kind: "adapt", request: {} }, () => ["adapt"]);
    const states: string[] = [];
    await new Promise<void>((resolve) => {
      jobs.follow(id, 0, (event) => (event === undefined ? resolve() : states.push(event.text)));
    });
    expect(states.at(-1)).toBe("failed");
    const { state, message, ended } = jobs.find(id);
    expect([state, ended]).toEqual(["failed", expect.stringMatching(/^\d{4}-/)]);
    expect(message).toMatch(/^cannot start petalface: [^\n]+$/);
    expect(message).toContain(reason);
    // What a later server reads of it.
    expect((await openJobs(folder, [command])).find(id)).toMatchObject({ state, message });
    await jobs.close();
    await rm(folder, { recursive: true });
  });

  test.each(["petal\0face", "/no/such/petalface"])("%j fails a comparison in one line", async (command) => {
    await expect(compareIn([command], ["a.json", "b.json"], AbortSignal.timeout(60_000))).rejects.toMatchObject({
      status: 503,
      message: expect.stringMatching(/^cannot start the comparison: [^\n]+$/),
    });
  });
});

test("a job of so many minutes plans its length, and one with epochs too has those", async () => {
  const ended = async (given: object) => {
    const { body } = await server.ask("POST", "/v1/jobs", { kind: "adapt", train: "faces", options: given });
    const events = await follow(body.id);
    const job = (await server.ask("GET", `/v1/jobs/${body.id}`)).body;
    expect(job.state, events).toBe("done");
    return { events, result: job.result };
  };
  const { epochs: _, ...others } = options;
  const timed = await ended({ ...others, minutes: 0.01 });
  expect(timed.events).toMatch(/planned for 0\.01 minutes at [\d.,]+ images\/s/);
  expect(timed.result.steps).toBeGreaterThan(0);
  const counted = await ended({ ...options, minutes: 1000 });
  expect(counted.events).not.toContain("planned for");
  expect(counted.result.options.epochs).toBe(1);
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

test("a gallery that a job changes to the adapter is refused until the server is restarted", async () => {
  const adapted = (await server.ask("GET", "/v1/jobs")).body.jobs.find(
    ({ kind, state }: { kind: string; state: string }) => kind === "adapt" && state === "done",
  );
  const path = "/v1/galleries/people/people/p1/faces?force=true";
  expect((await server.ask("POST", path, form(await drawnFace(1, 0)))).status).toBe(201);
  // The gallery keeps no pictures; the folder has the one that was enrolled.
  const given = { kind: "migrate", run: adapted.id, data: "faces" };
  const { body } = await server.ask("POST", "/v1/jobs", given);
  const log = await follow(body.id);
  expect((await server.ask("GET", `/v1/jobs/${body.id}`)).body, log).toMatchObject({ state: "done" });
  await using store = await openGallery(server.gallery);
  expect((await store.vectors()).copies.some((value) => value !== 0)).toBe(true);
  const face = [Buffer.from(await drawnFace(1)).toString("base64")];
  const search = () => server.ask("POST", "/v1/galleries/people/search?threshold=0", { photos: face });
  expect((await search()).body).toMatchObject({
    status: 503,
    code: "busy",
    detail: expect.stringContaining("restart"),
  });
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
  expect((await search()).status).toBe(200);
});
