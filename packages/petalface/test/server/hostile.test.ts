import { readdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { crc32, deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { random } from "../../src/random.ts";
import { type Asked, drawnFace, form, startTest, type TestServer } from "./server.ts";

/** Requests of changed forms; `PETALFACE_HOSTILE=10000` sends so many. */
const fuzzed = Number(process.env.PETALFACE_HOSTILE ?? 400);
const connections = Number(process.env.PETALFACE_CONNECTIONS ?? 200);

let server: TestServer;
let photo: Uint8Array;
beforeAll(async () => {
  photo = await drawnFace(1);
  server = await startTest({ limits: { time: 3000, photoBytes: 2 ** 20, pixels: 10_000_000, photos: 4 } });
});
afterAll(() => server[Symbol.asyncDispose]());

const search = "/v1/galleries/people/search?threshold=0";
/** The server still does its work. */
async function isWell(): Promise<void> {
  const { status, body } = await server.ask("POST", "/v1/embed", form(photo));
  expect([status, body.photos?.[0]?.faces?.length]).toEqual([200, 1]);
  expect(process.memoryUsage.rss()).toBeLessThan(2 ** 30);
}

/** A PNG of zeros of any size in few bytes. */
function bomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 1;
  const pixels = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height), { level: 9 });
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", head),
    chunk("IDAT", pixels),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" width="112" height="112"><image href="http://127.0.0.1:1/x"/></svg>';
const pictures: readonly (readonly [string, () => Uint8Array, status: number])[] = [
  ["nothing", () => new Uint8Array(), 422],
  ["text", () => Buffer.from("not a picture"), 422],
  ["an SVG that loads something", () => Buffer.from(svg), 422],
  ["an XML file with entities", () => Buffer.from(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>${svg}`), 422],
  ["a PDF", () => Buffer.from("%PDF-1.7\n1 0 obj"), 422],
  ["a page under a JPEG's first bytes", () => Buffer.from("\xff\xd8\xff\xe0<script>alert(1)</script>", "latin1"), 422],
  ["a GIF that is a script", () => Buffer.from("GIF89a=1;alert(1)//"), 422],
  ["half a picture", () => photo.subarray(0, photo.length / 2), 422],
  ["a picture of 1 x 1", () => bomb(1, 1), 422],
  ["a bomb of 30,000 x 30,000", () => bomb(30_000, 30_000), 413],
  ["a picture of 30,000 x 1", () => bomb(30_000, 1), 422],
  [
    "a head that lies",
    () => Buffer.concat([bomb(8, 8).subarray(0, 16), Buffer.from([127, 255, 255, 255]), bomb(8, 8).subarray(20)]),
    422,
  ],
];

describe("pictures", () => {
  test.each(pictures)("%s", async (_, make, status) => {
    const { status: answered, body } = await server.ask("POST", search, form(make()));
    expect([answered, body.status], JSON.stringify(body)).toEqual([status, status]);
    expect(body.type).toMatch(/^urn:petalface:problem:/);
    await isWell();
  });

  test("one of several does not keep the others from their answer", async () => {
    const { status, body } = await server.ask("POST", "/v1/embed", form(photo, Buffer.from(svg)));
    expect([status, body.photos[1].problem.code, body.photos[0].faces.length]).toEqual([200, "unreadable-photo", 1]);
  });

  test("a picture with something behind its end is read as the picture", async () => {
    const both = Buffer.concat([photo, Buffer.from("PK\x03\x04<script>")]);
    expect((await server.ask("POST", "/v1/embed", form(both))).status).toBe(200);
  });
});

describe("requests", () => {
  test("too large, too many, of other types", async () => {
    const code = async (body: unknown, headers?: Record<string, string>): Promise<unknown[]> => {
      const answer = await server.ask("POST", "/v1/embed", body, headers);
      return [answer.status, answer.body.code];
    };
    expect(await code(form(new Uint8Array(2 ** 20 + 1)))).toEqual([413, "too-large"]);
    expect(await code(form(photo, photo, photo, photo, photo))).toEqual([413, "too-many-photos"]);
    expect(await code({ photos: Array.from({ length: 5 }, () => "") })).toEqual([413, "too-many-photos"]);
    expect(await code({ photos: [{ toString: 1 }] })).toEqual([400, "invalid-request"]);
    expect(await code([])).toEqual([400, "invalid-request"]);
    expect(await code({})).toEqual([400, "no-photo"]);
    expect(await code(new FormData())).toEqual([400, "no-photo"]);
    const send = async (body: string, type: string): Promise<number> =>
      (await fetch(`${server.address}/v1/embed`, { method: "POST", body, headers: { "content-type": type } })).status;
    expect(await send("<x/>", "text/xml")).toBe(415);
    expect(await send("{", "application/json")).toBe(400);
    expect(await send("[".repeat(200_000), "application/json")).toBe(400);
    expect(await send('{"__proto__": {"photos": []}}', "application/json")).toBe(400);
    expect(await send("x", "multipart/form-data")).toBeGreaterThanOrEqual(400);
    expect(await send("x", "multipart/form-data; boundary=")).toBeGreaterThanOrEqual(400);
    expect(await send("--a\r\n", "multipart/form-data; boundary=a")).toBe(400);
    await isWell();
  });

  test.each([
    "/v1/galleries/..%2f..%2fetc%2fpasswd/search",
    "/v1/galleries/%2e%2e/people",
    "/v1/galleries/people/people/%00/faces",
    `/v1/galleries/people/people/${"a".repeat(201)}/faces`,
    "/v1/galleries/people/people/%E0%A4%A/faces",
    "/v1/galleries/people/people/x/faces/-1/crop",
    "/v1/galleries/people/people/x/faces/1e9/crop",
    "/../../etc/passwd",
    "//etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/v1/galleries/people/people?limit=0",
    "/v1/galleries/people/people?limit[]=1",
  ])("the path %s", async (path) => {
    const { status } = await server.ask("GET", path);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  });

  test("a name in a form is no path: nothing is written but the gallery", async () => {
    const before = (await readdir(server.folder)).sort();
    const data = new FormData();
    data.append("photo", new Blob([new Uint8Array(photo)]), "../../../tmp/evil.png");
    const path = "/v1/galleries/people/people/..%2F..%2Fevil/faces?force=true";
    const { status, body } = await server.ask("POST", path, data);
    expect([status, body.person]).toEqual([201, "../../evil"]);
    expect((await readdir(server.folder)).sort()).toEqual(before);
  });

  test(`${fuzzed} forms with random changes get an answer each, and none is a fault of the server`, async () => {
    const boundary = "----petalface";
    const plain = Buffer.concat([
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n`,
      ),
      photo,
      Buffer.from(`\r\n--${boundary}\r\nContent-Disposition: form-data; name="face"\r\n\r\n{}\r\n--${boundary}--\r\n`),
    ]);
    const counts = new Map<number, number>();
    const one = async (number: number): Promise<void> => {
      const stream = random("hostile", number);
      let body = Buffer.from(plain);
      for (let change = 0; change <= stream.int(4); change++) {
        const at = stream.int(body.length);
        const kind = stream.int(4);
        if (kind === 0) body[at] = stream.int(256);
        else if (kind === 1) body = body.subarray(0, Math.max(1, at));
        else if (kind === 2) body = Buffer.concat([body.subarray(0, at), body.subarray(stream.int(body.length))]);
        else body = Buffer.concat([body.subarray(0, at), Buffer.from("\r\n--"), body.subarray(at)]);
      }
      const headers = { "content-type": `multipart/form-data; boundary=${boundary}` };
      const response = await fetch(`${server.address}/v1/embed`, {
        method: "POST",
        headers,
        body: new Uint8Array(body),
      });
      await response.arrayBuffer();
      counts.set(response.status, (counts.get(response.status) ?? 0) + 1);
    };
    for (let start = 0; start < fuzzed; start += 20)
      await Promise.all(Array.from({ length: Math.min(20, fuzzed - start) }, (_, at) => one(start + at)));
    const faults = [...counts].filter(([status]) => status >= 500 && status !== 503);
    expect(faults, JSON.stringify([...counts])).toEqual([]);
    expect([...counts.keys()]).toContain(400);
    await isWell();
  });
});

describe("connections", () => {
  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const { port } = new URL(server.address);
      const socket = connect(Number(port), "127.0.0.1", () => resolve(socket));
      socket.once("error", reject);
    });
  const closed = (socket: Socket): Promise<string> =>
    new Promise((resolve) => {
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });

  test("that send their body too slowly are ended, and hold nothing", async () => {
    const socket = await open();
    const end = closed(socket);
    socket.write(
      "POST /v1/embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
    );
    const drip = setInterval(() => socket.write(" "), 200);
    const text = await end;
    clearInterval(drip);
    expect(text).toMatch(/^$|^HTTP\/1\.1 (408|503)/);
    await isWell();
  });

  test("that go away amid their body or answer leave the server as it was", async () => {
    for (let number = 0; number < 20; number++) {
      const socket = await open();
      socket.on("error", () => undefined);
      socket.write(
        "POST /v1/embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=a\r\ncontent-length: 100000\r\n\r\n--a\r\n",
      );
      socket.destroy();
    }
    await isWell();
    const { body } = await server.ask("GET", "/metrics");
    expect(body).toMatch(/petalface_queued_photos 0\n/);
  });

  test(`${connections} that are open and say nothing do not keep others from their answer`, async () => {
    const idle = await Promise.all(Array.from({ length: connections }, open));
    for (const socket of idle) socket.on("error", () => undefined);
    await isWell();
    for (const socket of idle) socket.destroy();
  });

  test("that are no HTTP get 400", async () => {
    const socket = await open();
    const end = closed(socket);
    socket.write("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n");
    expect(await end).toMatch(/^HTTP\/1\.1 400/);
  });
});

test("beyond the queue requests are answered with 503 and Retry-After, and served later", async () => {
  await using small = await startTest({ limits: { queue: 4 } });
  const answers: Asked[] = await Promise.all(
    Array.from({ length: 24 }, () => small.ask("POST", "/v1/embed", form(photo, photo))),
  );
  const statuses = new Set(answers.map(({ status }) => status));
  expect([...statuses].sort()).toEqual([200, 503]);
  const busy = answers.find(({ status }) => status === 503);
  expect([busy?.headers.get("retry-after"), busy?.body.code]).toEqual(["1", "busy"]);
  expect((await small.ask("POST", "/v1/embed", form(photo))).status).toBe(200);
});
