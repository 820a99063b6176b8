import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { petalface } from "../cli/process.ts";
import { type Asked, drawnFace, form, startTest, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTest();
});
afterAll(() => server[Symbol.asyncDispose]());

const faces = (person: string): string => `/v1/galleries/people/people/${encodeURIComponent(person)}/faces`;

describe("from an empty gallery to a decision and back", () => {
  test("nobody is enrolled: there is no threshold to decide by", async () => {
    const found = await server.ask("POST", "/v1/galleries/people/search", form(await drawnFace(0)));
    expect(found.status).toBe(409);
    expect(found.headers.get("content-type")).toContain("application/problem+json");
    expect(found.body).toMatchObject({ code: "no-threshold", status: 409, title: "No threshold is known" });
  });

  test("people are enrolled by forms and by JSON, each photo once", async () => {
    const [a, b] = [await drawnFace(0, 0), await drawnFace(0, 1)];
    const added = await server.ask("POST", `${faces("Ada / Ländle")}?force=true`, form(a, b));
    expect(added.status, JSON.stringify(added.body)).toBe(201);
    expect(added.body).toMatchObject({
      person: "Ada / Ländle",
      added: 2,
      known: 0,
      people: 1,
      forced: true,
      leftOut: [],
    });
    const again = await server.ask("POST", `${faces("Ada / Ländle")}?force=true`, form(a));
    expect([again.status, again.body.added, again.body.known]).toEqual([200, 0, 1]);
    for (const person of [1, 2, 3]) {
      const photos = [await drawnFace(person, 0), await drawnFace(person, 1)].map((one) =>
        Buffer.from(one).toString("base64"),
      );
      const one = await server.ask("POST", `${faces(`person ${person}`)}?force=true`, { photos });
      expect([one.status, one.body.added]).toEqual([201, 2]);
    }
  });

  test("a search says what petalface gallery search --json says", async () => {
    const photo = await drawnFace(2, 1);
    await writeFile(join(server.folder, "photo1.png"), photo);
    const found = await server.ask("POST", "/v1/galleries/people/search?margin=0&top=3&aligned=yes", form(photo));
    expect(found.status, JSON.stringify(found.body)).toBe(200);
    const args = [
      "gallery",
      "search",
      server.gallery,
      join(server.folder, "photo1.png"),
      "--margin",
      "0",
      "--top",
      "3",
    ];
    const { stdout, stderr } = await petalface([...args, "--aligned", "yes", "--json", "--threads", "1"]);
    expect(stderr).toContain("thresholds");
    const line = JSON.parse(stdout);
    const [said] = line.photos;
    const [answer] = found.body.photos;
    // How it was searched is the command's alone: the server always compares in float32.
    const shared = { gallery: "", photos: [], search: undefined };
    expect({ ...found.body, ...shared }).toEqual({ ...line, ...shared });
    expect(answer).toMatchObject({ ...said, photo: "photo1.png" });
    expect(answer.candidates).toHaveLength(3);
  });

  test("/v1/embed answers the bits that petalface embed writes, in batches of any size", async () => {
    const folder = join(server.folder, "to-embed");
    await mkdir(join(folder, "someone"), { recursive: true });
    const photos = await Promise.all([0, 1, 2, 3, 4].map((image) => drawnFace(7, image)));
    await Promise.all(photos.map((photo, at) => writeFile(join(folder, "someone", `${at}.png`), photo)));
    const out = join(server.folder, "embedded.npy");
    const model = join(server.folder, "tiny.onnx");
    const embedded = await petalface([
      ...["embed", "--model", model, "--images", folder, "--out", out, "--threads", "1"],
    ]);
    expect(embedded.code, embedded.stderr).toBe(0);
    const bytes = await readFile(out);
    const numbers = new Float32Array(new Uint8Array(bytes.subarray(10 + bytes.readUInt16LE(8))).buffer);
    const width = numbers.length / photos.length;
    const wanted = photos.map((_, at) => [...numbers.subarray(at * width, (at + 1) * width)]);
    const together = await server.ask("POST", "/v1/embed", form(...photos));
    const alone = await Promise.all(photos.map((photo) => server.ask("POST", "/v1/embed", form(photo))));
    const vectorsOf = ({ body }: Asked): number[][] =>
      body.photos.map(({ faces: [face] }: { faces: { embedding: number[] }[] }) => face?.embedding);
    expect(vectorsOf(together)).toEqual(wanted);
    expect(alone.flatMap(vectorsOf)).toEqual(wanted);
  });

  test("an embedding of /v1/embed finds what its photo finds", async () => {
    const photo = await drawnFace(3, 0);
    const { body } = await server.ask("POST", "/v1/embed", form(photo));
    const [{ embedding, alpha }] = body.photos[0].faces;
    const query = "/v1/galleries/people/search?margin=0";
    const [one, other] = [
      await server.ask("POST", query, form(photo)),
      await server.ask("POST", query, { embeddings: [{ embedding, alpha }] }),
    ];
    expect(other.status).toBe(200);
    const { candidates, decision, threshold } = one.body.photos[0];
    expect(other.body.photos[0]).toMatchObject({ decision, threshold });
    expect(one.body.photos[0].falseAcceptRate).toMatchObject({
      rate: expect.any(Number),
      below: expect.any(Boolean),
      interval: [expect.any(Number), expect.any(Number)],
    });
    const given = await server.ask("POST", `${query}&threshold=0.3`, form(photo));
    expect(given.body.photos[0].falseAcceptRate).toBeNull();
    expect(given.body.thresholds.note).toContain("it is estimated on the gallery");
    expect(given.body.thresholds.table.rows).toEqual([{ alpha: [0, 1], cosine: 0.3 }]);
    other.body.photos[0].candidates.forEach((candidate: { person: string; cosine: number }, at: number) => {
      expect(candidate.person).toBe(candidates[at].person);
      expect(candidate.cosine).toBeCloseTo(candidates[at].cosine, 5);
    });
  });

  test("frames of one face give one answer", async () => {
    const photos = form(await drawnFace(1, 0), await drawnFace(1, 1), await drawnFace(1, 2));
    const found = await server.ask("POST", "/v1/galleries/people/search?track=true&margin=0", photos);
    expect(found.body.photos).toHaveLength(1);
    expect(found.body.photos[0].detail).toMatch(/^[123] of 3 frames$/);
  });

  test("the same photo compared with itself has cosine 1", async () => {
    const photo = await drawnFace(1);
    const { status, body } = await server.ask("POST", "/v1/compare", form(photo, photo));
    expect(status).toBe(200);
    expect(body.cosine).toBeCloseTo(1, 6);
    expect((await server.ask("POST", "/v1/compare", form(photo))).body.code).toBe("invalid-request");
  });

  test("people come by name, page by page", async () => {
    const first = await server.ask("GET", "/v1/galleries/people/people?limit=3");
    expect(first.body.people.map(({ name }: { name: string }) => name)).toEqual([
      "Ada / Ländle",
      "person 1",
      "person 2",
    ]);
    expect(first.body.total).toBe(4);
    const second = await server.ask("GET", `/v1/galleries/people/people?limit=3&cursor=${first.body.next}`);
    expect(second.body).toMatchObject({ people: [{ name: "person 3", faces: 2 }], next: null });
    const some = await server.ask("GET", "/v1/galleries/people/people?find=LÄND");
    expect(some.body).toMatchObject({ people: [{ name: "Ada / Ländle" }], total: 1 });
  });

  test("a person is renamed, merged only where that is asked for, and loses single faces", async () => {
    const person = "/v1/galleries/people/people/person%203";
    expect((await server.ask("PATCH", person, { name: "person 2" })).body.code).toBe("wrong-state");
    expect((await server.ask("PATCH", person, { name: "Čeněk" })).body).toEqual({ person: "Čeněk", merged: false });
    const merge = { name: "person 2", merge: true };
    expect((await server.ask("PATCH", "/v1/galleries/people/people/%C4%8Cen%C4%9Bk", merge)).body.merged).toBe(true);
    const list = await server.ask("GET", faces("person 2"));
    expect(list.body.faces).toHaveLength(4);
    const gone = await server.ask("DELETE", `${faces("person 2")}/${list.body.faces[0].id}`);
    expect(gone.body).toMatchObject({ faces: 1, found: 0 });
    expect((await server.ask("GET", faces("person 2"))).body.faces).toHaveLength(3);
    expect((await server.ask("DELETE", `${faces("person 1")}/${list.body.faces[1].id}`)).status).toBe(404);
  });

  test("a person is deleted, and is not found any more", async () => {
    const gone = await server.ask("DELETE", "/v1/galleries/people/people/person%201");
    expect(gone.body).toMatchObject({ person: "person 1", faces: 2, found: 0 });
    expect((await server.ask("DELETE", "/v1/galleries/people/people/person%201")).status).toBe(404);
    const { body } = await server.ask("GET", "/v1/galleries");
    expect(body.galleries).toMatchObject([{ name: "people", people: 2, faces: 5, model: "tiny", size: 16 }]);
  });

  test("what another process enrols is found at once", async () => {
    const photo = await drawnFace(9);
    await writeFile(join(server.folder, "late.png"), photo);
    const add = ["gallery", "add", server.gallery, join(server.folder, "late.png"), "--person", "Late"];
    expect(await petalface([...add, "--aligned", "yes", "--force", "--min-alpha", "0"])).toMatchObject({ code: 0 });
    const found = await server.ask("POST", "/v1/galleries/people/search?margin=0", form(photo));
    expect(found.body.photos[0].candidates[0].person).toBe("Late");
  });
});

describe("writes", () => {
  test("with an idempotency key are done once", async () => {
    const photo = await drawnFace(20);
    const send = (body: FormData, key: string) =>
      server.ask("POST", `${faces("Twice")}?force=true`, body, { "idempotency-key": key });
    const [one, two] = await Promise.all([send(form(photo), "k1"), send(form(photo), "k1")]);
    expect([one.status, two.status]).toEqual([201, 201]);
    expect(one.body).toEqual(two.body);
    const third = await send(form(photo), "k1");
    expect([third.status, third.headers.get("idempotency-replayed")]).toEqual([201, "true"]);
    const other = await send(form(await drawnFace(21)), "k1");
    expect([other.status, other.body.code]).toEqual([422, "reused-key"]);
    expect((await send(form(photo), "k2")).status).toBe(200);
  });

  test("the gate's objections are answered, and nothing is enrolled", async () => {
    const photo = await drawnFace(20);
    const enlarged = await drawnFace(20, 0, 33);
    expect(photo).not.toEqual(enlarged);
    const { status, body } = await server.ask("POST", faces("Twice"), form(enlarged));
    expect([status, body.code]).toEqual([422, "refused"]);
    expect(body.refused).toMatchObject([{ photo: "photo1.png", reason: "near copy" }]);
  });
});

describe("every route is described", () => {
  test("as OpenAPI 3.1, whose document has no route that does not exist", async () => {
    const { body } = await server.ask("GET", "/openapi.json");
    expect(body.openapi).toBe("3.1.0");
    const routes = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes).toContain("POST /v1/galleries/{gallery}/people/{person}/faces");
    for (const operation of Object.values(body.paths as Record<string, Record<string, { summary?: string }>>).flatMap(
      (methods) => Object.values(methods),
    ))
      expect(operation.summary).toBeTruthy();
  });

  test("as a page without scripts", async () => {
    const { headers, body } = await server.ask("GET", "/docs");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(body).toContain("/v1/galleries/{gallery}/search");
    expect(body).not.toContain("<script");
  });

  test("metrics count requests and batches", async () => {
    const { body } = await server.ask("GET", "/metrics");
    expect(body).toMatch(
      /petalface_http_request_seconds_count\{route="\/v1\/embed",method="POST",status="200"\} [1-9]/,
    );
    expect(body).toContain("petalface_batch_faces_bucket");
  });
});
