import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer } from "../../src/server/index.ts";
import { petalface } from "../cli/process.ts";
import { shared } from "../images/helpers.ts";
import { type Asked, ask, drawnFace, startTest, type TestServer } from "./server.ts";

let server: TestServer;
let key: string;
let keyFolder: string;
beforeAll(async () => {
  keyFolder = await mkdtemp(join(tmpdir(), "petalface-compat-"));
  const keys = join(keyFolder, "keys.json");
  const made = await petalface(["keys", "add", keys, "--scopes", "search,enrol"]);
  if (made.code !== 0) throw new Error(made.stderr);
  key = made.stdout.trim();
  server = await startTest({ keys });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(keyFolder, { recursive: true });
});

/** A form as form-data and requests_toolbelt write it: its own boundary, a file name and a type. */
function formOf(fields: Record<string, Uint8Array | string>): { body: Buffer; type: string } {
  const boundary = `--------------------------${createHash("md5").update(Object.keys(fields).join()).digest("hex").slice(0, 24)}`;
  const parts = Object.entries(fields).flatMap(([name, value]) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${
        typeof value === "string" ? "" : '; filename="camera.jpg"\r\nContent-Type: image/jpeg'
      }\r\n\r\n`,
    ),
    Buffer.from(value),
    Buffer.from("\r\n"),
  ]);
  return {
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
    type: `multipart/form-data; boundary=${boundary}`,
  };
}

/** Sends what a client sends, byte for byte. */
async function send(
  method: string,
  path: string,
  fields?: Record<string, Uint8Array | string>,
  headers: Record<string, string> = { "x-api-key": key },
): Promise<Asked> {
  const form = fields && formOf(fields);
  const response = await fetch(server.address + path, {
    method,
    headers: { accept: "application/json, text/plain, */*", ...(form && { "content-type": form.type }), ...headers },
    ...(form && { body: new Uint8Array(form.body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text.startsWith("{") ? JSON.parse(text) : text };
}

// The gate has its own tests; the tiny network takes every drawn face for another's.
const add = async (subject: string, person: number, image = 0) =>
  send("POST", `/api/v1/recognition/faces?subject=${encodeURIComponent(subject)}&force=true`, {
    file: await drawnFace(person, image),
  });

describe("Double Take's requests", () => {
  test("train: an example of a subject", async () => {
    for (const person of [1, 2, 3]) {
      const { status, body } = await add(`person ${person}`, person);
      expect([status, body.subject], JSON.stringify(body)).toEqual([201, `person ${person}`]);
      expect(body.image_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  test("recognize: its normalize() gets name, confidence and box", async () => {
    const photo = await drawnFace(2);
    const { status, body } = await send("POST", "/api/v1/recognition/recognize?det_prob_threshold=0.8", {
      file: photo,
    });
    expect(status).toBe(200);
    const [{ subjects, box }] = body.result;
    expect(subjects).toHaveLength(1);
    expect(subjects[0].subject).toBe("person 2");
    // A match is 60 % and more there, unless its user says otherwise.
    expect(Number.parseFloat((subjects[0].similarity * 100).toFixed(2))).toBeGreaterThan(60);
    expect(box).toEqual({ probability: 1, x_min: 0, y_min: 0, x_max: 32, y_max: 32 });
  });

  test("remove: all examples of a subject", async () => {
    await add("gone", 7);
    await add("gone", 7, 1);
    expect((await send("DELETE", "/api/v1/recognition/faces?subject=gone")).body).toEqual({ deleted: 2 });
    expect((await send("DELETE", "/api/v1/recognition/faces?subject=gone")).body).toEqual({ deleted: 0 });
  });
});

describe("the SDKs' requests", () => {
  test("several predictions, plugins and status, as the Python SDK writes them", async () => {
    const path =
      "/api/v1/recognition/recognize?limit=0&det_prob_threshold=0.8&prediction_count=2&face_plugins=calculator,landmarks,age&status=True";
    const { body } = await send("POST", path, { file: await drawnFace(1) });
    const [{ subjects, embedding, execution_time: times }] = body.result;
    expect(subjects.map(({ subject }: { subject: string }) => subject)[0]).toBe("person 1");
    expect(subjects).toHaveLength(2);
    expect(subjects[0].similarity).toBeGreaterThanOrEqual(subjects[1].similarity);
    expect(embedding).toHaveLength(6);
    expect(times.detector).toBeGreaterThanOrEqual(0);
    expect(body.plugins_versions).toMatchObject({ calculator: "petalface.tiny" });
  });

  test("a photo in JSON, base64", async () => {
    const file = Buffer.from(await drawnFace(3)).toString("base64");
    const { status, body } = await ask(
      server.address,
      "POST",
      "/api/v1/recognition/recognize",
      { file },
      { "x-api-key": key },
    );
    expect([status, body.result[0].subjects[0].subject]).toEqual([200, "person 3"]);
  });

  test("examples are listed in pages, shown, compared with and deleted by id", async () => {
    const { body } = await send("GET", "/api/v1/recognition/faces?page=1&size=2");
    expect(body).toMatchObject({ page_number: 1, page_size: 2, total_pages: 2, total_elements: 3 });
    expect(body.faces).toHaveLength(1);
    const [{ image_id: id, subject }] = body.faces;
    const same = await send("POST", `/api/v1/recognition/faces/${id}/verify`, { file: await drawnFace(3) });
    // The tiny network finds all drawn faces alike, so that the estimated threshold is almost 1.
    expect(same.body.result[0].similarity).toBeGreaterThan(0.6);
    // This gallery keeps no pictures.
    expect((await send("GET", `/api/v1/recognition/faces/${id}/img`)).status).toBe(404);
    expect((await send("DELETE", `/api/v1/recognition/faces/${id}`)).body).toEqual({ image_id: id, subject });
    const again = await send("DELETE", `/api/v1/recognition/faces/${id}`);
    expect([again.status, again.body.code]).toEqual([404, 44]);
    const { body: one } = await add("person 3", 3);
    const headers = { "x-api-key": key };
    const many = await ask(server.address, "POST", "/api/v1/recognition/faces/delete", [one.image_id, id], headers);
    expect(many.body).toEqual({ faces: [{ image_id: one.image_id, subject: "person 3" }] });
  });

  test("subjects are announced, listed, renamed, merged and deleted", async () => {
    const headers = { "x-api-key": key };
    const path = "/api/v1/recognition/subjects";
    expect(await ask(server.address, "POST", path, { subject: "New One" }, headers)).toMatchObject({
      status: 201,
      body: { subject: "New One" },
    });
    expect((await ask(server.address, "POST", path, { subject: "New One" }, headers)).body.code).toBe(43);
    expect((await send("GET", `${path}/`)).body).toEqual({ subjects: ["New One", "person 1", "person 2"] });
    expect((await ask(server.address, "PUT", `${path}/person%201`, { subject: "Ada" }, headers)).body).toEqual({
      updated: true,
    });
    expect((await ask(server.address, "PUT", `${path}/person%201`, { subject: "Ada" }, headers)).body.code).toBe(42);
    expect((await ask(server.address, "PUT", `${path}/Ada`, { subject: "person 2" }, headers)).body).toEqual({
      updated: true,
    });
    expect((await send("GET", "/api/v1/recognition/faces?subject=person%202")).body.total_elements).toBe(2);
    expect((await send("DELETE", `${path}/New%20One`)).body).toEqual({ subject: "New One" });
    expect((await send("DELETE", path)).body).toEqual({ deleted: 1 });
    expect((await send("GET", path)).body).toEqual({ subjects: [] });
  });

  test("detection and verification", async () => {
    const found = await send("POST", "/api/v1/detection/detect", { file: await drawnFace(1) });
    expect(found.body.result).toMatchObject([{ box: { x_min: 0 } }]);
    const [one, other] = [await drawnFace(1), await drawnFace(2)];
    const verify = async (source_image: Uint8Array, target_image: Uint8Array) =>
      (await send("POST", "/api/v1/verification/verify", { source_image, target_image })).body.result[0].face_matches[0]
        .similarity;
    expect(await verify(one, one)).toBeGreaterThan(0.6);
    expect(await verify(one, other)).toBeLessThan(await verify(one, one));
  });
});

describe("CompreFace's errors", () => {
  test.each([
    ["a wrong key", "/api/v1/recognition/recognize", { "x-api-key": "00000000-0000-0000-0000-000000000002" }, 401, 10],
    ["no subject", "/api/v1/recognition/faces", undefined, 400, 33],
    ["no file", "/api/v1/recognition/recognize", undefined, 400, 34],
    ["no image", "/api/v1/recognition/recognize", undefined, 400, 21],
  ])("%s", async (what, path, headers, status, code) => {
    const fields =
      what === "no file"
        ? { other: await drawnFace(1) }
        : { file: what === "no image" ? Buffer.from("text") : await drawnFace(1) };
    const answer = await send("POST", path, fields, headers);
    expect([answer.status, answer.body.code], JSON.stringify(answer.body)).toEqual([status, code]);
    expect(Object.keys(answer.body).sort()).toEqual(["code", "message"]);
  });
});

const photos = shared("data", "lfw250_sample");
const model = shared("weights", "edgeface_xxs.onnx");
const detector = shared("weights", "scrfd_2.5g_bnkps.onnx");

describe.skipIf(!photos.exists || !model.exists || !detector.exists)("whole photos and a real model", () => {
  let address: string;
  let close: () => Promise<void>;
  let folder: string;
  let photo: Buffer;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "petalface-compat-"));
    const gallery = join(folder, "people.db");
    expect(await petalface(["gallery", "create", gallery, "--model", model.path])).toMatchObject({ code: 0 });
    const running = await startServer({
      galleries: [gallery],
      port: 0,
      open: true,
      detector: detector.path,
      landmarks: "own",
      threads: 1,
    });
    ({ address } = running);
    close = running.close;
    photo = await readFile(join(photos.path, "Aaron_Eckhart", "Aaron_Eckhart_0001.jpg"));
  });
  afterAll(async () => {
    await close();
    await rm(folder, { recursive: true });
  });
  const post = async (path: string, fields: Record<string, Uint8Array | string>): Promise<Asked> => {
    const { body, type } = formOf(fields);
    const response = await fetch(address + path, {
      method: "POST",
      headers: { "content-type": type },
      body: new Uint8Array(body),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  const empty = (): Promise<Uint8Array> =>
    import("sharp").then(({ default: sharp }) =>
      sharp({ create: { width: 320, height: 240, channels: 3, background: "#678" } })
        .jpeg()
        .toBuffer(),
    );

  test("a photo without a face is code 28 for CompreFace's clients", async () => {
    const { status, body } = await post("/api/v1/recognition/recognize?det_prob_threshold=0.8", {
      file: await empty(),
    });
    expect([status, body]).toEqual([400, { message: "No face is found in the given image", code: 28 }]);
  });

  test("Immich gets boxes, and embeddings as text", async () => {
    expect(await (await fetch(`${address}/ping`)).text()).toBe("pong");
    const entries = {
      detection: { modelName: "buffalo_l", options: { minScore: 0.5 } },
      recognition: { modelName: "buffalo_l" },
    };
    const { status, body } = await post("/predict", {
      entries: JSON.stringify({ "facial-recognition": entries }),
      image: photo,
    });
    expect([status, body.imageHeight, body.imageWidth]).toEqual([200, 250, 250]);
    const [{ boundingBox, embedding, score }] = body["facial-recognition"];
    expect(JSON.parse(embedding)).toHaveLength(512);
    expect(score).toBeGreaterThan(0.5);
    expect(boundingBox.x2 - boundingBox.x1).toBeGreaterThan(50);
    const clip = await post("/predict", {
      entries: JSON.stringify({ clip: { visual: { modelName: "x" } } }),
      image: photo,
    });
    expect(clip.status).toBe(422);
    const none = await post("/predict", {
      entries: JSON.stringify({ "facial-recognition": entries }),
      image: await empty(),
    });
    expect(none.body["facial-recognition"]).toEqual([]);
  });

  test("Nextcloud's facerecognition gets faces, and describes one again by its box", async () => {
    expect(await (await fetch(`${address}/open`)).json()).toEqual({
      preferred_mimetype: "image/jpeg",
      maximum_area: 3840 * 2160,
    });
    const { body } = await post("/detect", { file: photo });
    expect(body).toMatchObject({ filename: "camera.jpg", "faces-count": 1 });
    const [face] = body.faces;
    expect(face.landmarks).toHaveLength(5);
    const norm = Math.hypot(...face.descriptor);
    // Two descriptors of cosine 0.35 are 0.4 apart.
    expect(norm * Math.sqrt(2 - 2 * 0.35)).toBeCloseTo(0.4, 5);
    const again = await post("/compute", { file: photo, face: JSON.stringify({ ...face, descriptor: undefined }) });
    expect(again.body.face.descriptor).toEqual(face.descriptor);
    const elsewhere = { left: 0, top: 0, right: 20, bottom: 20 };
    expect((await post("/compute", { file: photo, face: JSON.stringify(elsewhere) })).status).toBe(422);
  });
});
