import { readFile, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer } from "../../src/server/index.ts";
import { petalface } from "../cli/process.ts";
import { ask, drawnFace, form, makeGallery, startTest, type TestServer } from "./server.ts";

let server: TestServer;
let folder: string;
let file: string;
const keys: Record<string, string> = {};

async function addKey(name: string, scopes: string, ...flags: string[]): Promise<string> {
  const { code, stdout, stderr } = await petalface(["keys", "add", file, "--scopes", scopes, "--name", name, ...flags]);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

beforeAll(async () => {
  const made = await makeGallery();
  folder = made.folder;
  file = join(folder, "keys.json");
  for (const scope of ["search", "enrol", "admin"]) keys[scope] = await addKey(`for ${scope}`, scope);
  keys.all = await addKey("for all", "search,enrol,admin");
  keys.old = await addKey("of yesterday", "search", "--expires", "2020-01-01");
  keys.slow = await addKey("slow", "search", "--rate", "3");
  server = await startTest({ keys: file });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Each route, the scope that it needs, and a status that says: this was let in. */
const routes: readonly (readonly [method: string, path: string, scope: string | undefined])[] = [
  ["GET", "/health", undefined],
  ["GET", "/ready", undefined],
  ["GET", "/metrics", "admin"],
  ["GET", "/", "search"],
  ["GET", "/docs", "search"],
  ["GET", "/docs.css", "search"],
  ["GET", "/openapi.json", "search"],
  ["GET", "/v1/jobs", "admin"],
  ["POST", "/v1/jobs", "admin"],
  ["GET", "/v1/jobs/x", "admin"],
  ["POST", "/v1/jobs/x/cancel", "admin"],
  ["POST", "/v1/jobs/x/resume", "admin"],
  ["GET", "/v1/jobs/x/events", "admin"],
  ["GET", "/v1/jobs/x/report", "admin"],
  ["GET", "/v1/jobs/x/files", "admin"],
  ["GET", "/v1/jobs/x/file?path=x", "admin"],
  ["GET", "/v1/comparison?before=x/frozen&after=x/adapted", "admin"],
  ["GET", "/v1/data", "admin"],
  ["GET", "/v1/data/x", "admin"],
  ["POST", "/v1/detect", "search"],
  ["POST", "/v1/embed", "search"],
  ["POST", "/v1/compare", "search"],
  ["GET", "/v1/galleries", "search"],
  ["POST", "/v1/galleries/people/search", "search"],
  ["GET", "/v1/galleries/people/scores", "enrol"],
  ["GET", "/v1/galleries/people/people", "enrol"],
  ["PATCH", "/v1/galleries/people/people/x", "enrol"],
  ["DELETE", "/v1/galleries/people/people/x", "enrol"],
  ["POST", "/v1/galleries/people/people/x/faces", "enrol"],
  ["GET", "/v1/galleries/people/people/x/faces", "enrol"],
  ["DELETE", "/v1/galleries/people/people/x/faces/1", "enrol"],
  ["GET", "/v1/galleries/people/people/x/faces/1/crop", "enrol"],
  ["POST", "/api/v1/recognition/recognize", "search"],
  ["POST", "/api/v1/detection/detect", "search"],
  ["POST", "/api/v1/verification/verify", "search"],
  ["POST", "/api/v1/recognition/faces", "enrol"],
  ["GET", "/api/v1/recognition/faces", "enrol"],
  ["DELETE", "/api/v1/recognition/faces", "enrol"],
  ["POST", "/api/v1/recognition/faces/delete", "enrol"],
  ["DELETE", "/api/v1/recognition/faces/x", "enrol"],
  ["GET", "/api/v1/recognition/faces/x/img", "enrol"],
  ["POST", "/api/v1/recognition/faces/x/verify", "search"],
  ["GET", "/api/v1/recognition/subjects", "enrol"],
  ["POST", "/api/v1/recognition/subjects", "enrol"],
  ["DELETE", "/api/v1/recognition/subjects", "enrol"],
  ["PUT", "/api/v1/recognition/subjects/x", "enrol"],
  ["DELETE", "/api/v1/recognition/subjects/x", "enrol"],
  ["GET", "/ping", "search"],
  ["POST", "/predict", "search"],
  ["GET", "/welcome", "search"],
  ["GET", "/open", "search"],
  ["POST", "/detect", "search"],
  ["POST", "/compute", "search"],
];
const bodyFor = (method: string): unknown => (["GET", "DELETE"].includes(method) ? undefined : { name: "y" });

describe("who may do what", () => {
  test.each(routes)("%s %s is for keys with scope %s", async (method, path, scope) => {
    const statusWith = async (headers: Record<string, string>): Promise<number> =>
      (await server.ask(method, path, bodyFor(method), headers)).status;
    const refused = [401, 403];
    if (scope === undefined) {
      expect(await statusWith({})).toBe(200);
      return;
    }
    expect(await statusWith({}), "without a key").toBe(401);
    for (const bad of ["", "x", `pf_${"0".repeat(12)}_${"0".repeat(48)}`, `${keys.all?.slice(0, -1)}g`, keys.old ?? ""])
      expect(await statusWith({ "x-api-key": bad }), bad).toBe(401);
    for (const other of ["search", "enrol", "admin"]) {
      const status = await statusWith({ "x-api-key": keys[other] ?? "" });
      if (other === scope) expect(refused, `with scope ${other}`).not.toContain(status);
      else expect(status, `with scope ${other}`).toBe(403);
    }
    expect(refused).not.toContain(await statusWith({ authorization: `Bearer ${keys.all}` }));
    const basic = Buffer.from(`anybody:${keys.all}`).toString("base64");
    expect(refused).not.toContain(await statusWith({ authorization: `Basic ${basic}` }));
  });

  test("the list of routes above is complete", async () => {
    const { body } = await server.ask("GET", "/openapi.json", undefined, { "x-api-key": keys.all ?? "" });
    const known = new Set(routes.map(([method, path]) => `${method} ${path.split("?")[0]}`));
    for (const [path, methods] of Object.entries(body.paths as Record<string, object>))
      for (const method of Object.keys(methods)) {
        const filled = path.replace("{gallery}", "people").replace("{person}", "x").replace("{face}", "1");
        const named = filled
          .replace("{image}", "x")
          .replace("{folder}", "x")
          .replace("{subject}", "x")
          .replace("{job}", "x");
        expect(known).toContain(`${method.toUpperCase()} ${named}`);
      }
  });

  test("what does not exist is not shown to strangers", async () => {
    expect((await server.ask("GET", "/v1/nothing")).status).toBe(401);
    expect((await server.ask("GET", "/v1/nothing", undefined, { "x-api-key": keys.all ?? "" })).status).toBe(404);
  });

  test("a server without keys answers nobody, one with --open everybody", async () => {
    const { folder: other, gallery } = await makeGallery();
    const options = { galleries: [gallery], port: 0, detector: "none", threads: 1 };
    for (const [open, status] of [
      [false, 401],
      [true, 200],
    ] as const) {
      const running = await startServer({ ...options, open });
      expect((await ask(running.address, "GET", "/v1/galleries")).status).toBe(status);
      expect((await ask(running.address, "GET", "/health")).status).toBe(200);
      await running.close();
    }
    await expect(startServer({ ...options, open: true, host: "0.0.0.0" })).rejects.toThrow("'open' lets everybody in");
    await expect(startServer({ ...options, host: "0.0.0.0" })).rejects.toThrow("give 'keys' FILE");
    await expect(startServer({ ...options, open: true, keys: file })).rejects.toThrow("not both");
    await rm(other, { recursive: true });
  });
});

describe("keys", () => {
  test("are in no file: it holds hashes, and only its owner reads it", async () => {
    const text = await readFile(file, "utf8");
    for (const key of Object.values(keys)) {
      expect(text).not.toContain(key);
      expect(text).not.toContain(key.slice(-48));
    }
    expect(((await stat(file)).mode & 0o077).toString(8)).toBe("0");
  });

  test("are added and revoked while the server runs", async () => {
    const key = await addKey("for a minute", "search");
    const status = async (): Promise<number> =>
      (await server.ask("GET", "/v1/galleries", undefined, { "x-api-key": key })).status;
    const until = async (wanted: number): Promise<void> => {
      while ((await status()) !== wanted) await new Promise((resolve) => setTimeout(resolve, 100));
    };
    await until(200);
    const { stdout } = await petalface(["keys", "list", file, "--json"]);
    const { id } = JSON.parse(stdout).keys.find(({ name }: { name: string }) => name === "for a minute");
    expect(await petalface(["keys", "revoke", file, id])).toMatchObject({ code: 0 });
    await until(401);
    expect(await petalface(["keys", "revoke", file, id])).toMatchObject({ code: 1 });
  });

  test("have their own rate, beyond which they are answered with 429", async () => {
    const statuses: number[] = [];
    let last: Awaited<ReturnType<TestServer["ask"]>> | undefined;
    for (let sent = 0; sent < 5; sent++) {
      last = await server.ask("GET", "/v1/galleries", undefined, { "x-api-key": keys.slow ?? "" });
      statuses.push(last.status);
    }
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    expect(last?.body.code).toBe("too-many-requests");
    expect(Number(last?.headers.get("retry-after"))).toBeGreaterThan(0);
    // Others are not held up.
    expect((await server.ask("GET", "/v1/galleries", undefined, { "x-api-key": keys.all ?? "" })).status).toBe(200);
  });
});

/** A request with headers that fetch does not let one set. */
const raw = (
  headers: Record<string, string>,
  path = "/v1/galleries",
  method = "GET",
): Promise<{ status: number; code: string }> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(server.address);
    const sent = request({
      port,
      host: "127.0.0.1",
      path,
      method,
      headers: { "x-api-key": keys.all ?? "", ...headers },
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => {
        const { code = "" } = text.startsWith("{") ? JSON.parse(text) : {};
        resolve({ status: response.statusCode ?? 0, code });
      });
    });
    sent.end();
  });

describe("pages of other origins", () => {
  test("cannot reach the server, under whatever name they made it known", async () => {
    const { host } = new URL(server.address);
    expect(await raw({ host: "evil.example" })).toEqual({ status: 421, code: "foreign-host" });
    expect(await raw({ host: "127.0.0.1.evil.example" })).toMatchObject({ status: 421 });
    expect(await raw({ host: "localhost:1234" })).toMatchObject({ status: 200 });
    expect(await raw({ host: "[::1]:1234" })).toMatchObject({ status: 200 });
    expect(await raw({ host, origin: "https://evil.example" })).toEqual({ status: 403, code: "foreign-origin" });
    expect(await raw({ host, origin: "null" })).toMatchObject({ status: 403 });
    expect(await raw({ host, origin: `http://${host}` })).toMatchObject({ status: 200 });
    expect(await raw({ host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" })).toMatchObject({
      status: 403,
    });
    const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
    expect(await raw({ host, ...link })).toMatchObject({ status: 200 });
    expect(await raw({ host, ...link }, "/v1/galleries/people/people/x", "DELETE")).toMatchObject({ status: 403 });
  });

  test("are given no permission by CORS", async () => {
    const { headers } = await server.ask("GET", "/health");
    expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect(
      (await raw({ origin: "https://evil.example", "access-control-request-method": "POST" }, "/v1/embed", "OPTIONS"))
        .status,
    ).toBe(403);
  });
});

describe("answers", () => {
  test("of errors hold no stack, and name the request", async () => {
    const { headers, body } = await server.ask("POST", "/v1/embed", { photos: "?" }, { "x-api-key": keys.all ?? "" });
    expect(body).toMatchObject({ code: "invalid-request", request: headers.get("x-request-id") });
    expect(JSON.stringify(body)).not.toMatch(/\.ts\b|node_modules|\n|:\d+:\d+/);
  });

  test("to photos with other methods' bodies are problems too", async () => {
    const photo = await drawnFace(1);
    const asked = await server.ask("PATCH", "/v1/galleries/people/people/x", form(photo), {
      "x-api-key": keys.all ?? "",
    });
    expect([asked.status, asked.body.code]).toEqual([400, "invalid-request"]);
  });
});
