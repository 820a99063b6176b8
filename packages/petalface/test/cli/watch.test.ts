import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findFfmpeg } from "../../src/faces/index.ts";
import { drawFace, openFaceSpace } from "../../src/images/index.ts";
import type { WatchEvent } from "../../src/watch/index.ts";
import { blocksOf } from "../docs/blocks.ts";
import { shared } from "../images/helpers.ts";
import { petalface } from "./process.ts";

const model = shared("weights", "fr_feature.onnx");
const detector = shared("weights", "yunet_n_dynamic.onnx");
const [side, width, height] = [120, 640, 240];

let folder: string;
let space: Awaited<ReturnType<typeof openFaceSpace>>;

/** A drawn face as a picture of a given side. */
async function face(person: number, image: number, pixels: number): Promise<Buffer> {
  const { data } = drawFace(space, { seed: 2, person, image }, 112);
  return await sharp(data, { raw: { width: 112, height: 112, channels: 3 } })
    .resize(pixels)
    .png()
    .toBuffer();
}

/**
 * Frames of a camera: person 0 walks to the right, person 1 to the left from frame 4 on, person 9
 * nobody knows.
 */
async function drawFrames(place: string, count: number): Promise<void> {
  await mkdir(place, { recursive: true });
  for (let t = 0; t < count; t++) {
    const layers = [{ input: await face(0, 2 + (t % 2), side), left: 10 + 12 * t, top: 10 }];
    if (t >= 4) layers.push({ input: await face(1, 2, side), left: 510 - 12 * t, top: 115 });
    const frame = sharp({ create: { width, height, channels: 3, background: { r: 90, g: 100, b: 110 } } });
    await frame
      .composite(layers)
      .png()
      .toFile(join(place, `${String(t).padStart(3, "0")}.png`));
  }
}

const ffmpeg = findFfmpeg();
const watching = ["--landmarks", "own", "--threads", "1", "--once", "--camera", "door"];

describe.skipIf(!model.exists)("petalface watch (needs PETALFACE_SHARED)", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "petalface-watch-"));
    space = await openFaceSpace();
    for (const [person, name] of ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn"].entries()) {
      await mkdir(join(folder, "people", name), { recursive: true });
      for (let image = 0; image < 2; image++)
        await writeFile(join(folder, "people", name, `${image}.png`), await face(person, image, 112));
    }
    await drawFrames(join(folder, "frames"), 16);
    const gallery = join(folder, "people.db");
    for (const args of [
      ["gallery", "create", gallery, "--model", model.path],
      ["gallery", "add", gallery, join(folder, "people"), "--force", "--threads", "1"],
    ]) {
      const { code, stderr } = await petalface(args);
      expect(code, stderr).toBe(0);
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("follows each face, decides once who it is, and says when it left", async () => {
    const args = ["watch", join(folder, "frames"), "--gallery", join(folder, "people.db"), "--detector", detector.path];
    const { code, stdout, stderr } = await petalface([...args, ...watching, "--threshold", "0.3"]);
    expect(code, stderr).toBe(0);
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as WatchEvent);
    const of = (type: WatchEvent["type"]) => events.filter((event) => event.type === type);
    expect(of("decided").map(({ person }) => person)).toEqual(["Ada", "Ben"]);
    expect(of("left").map(({ person, frames }) => [person, frames])).toEqual([
      ["Ada", 16],
      ["Ben", 12],
    ]);
    const [ada, ben] = of("decided");
    expect([ada?.frames, ada?.first, ben?.first, ben?.camera]).toEqual([5, 0, 0.8, "door"]);
    expect(stderr).toContain("16 frames, 2 faces followed, 2 known");
  });

  it("asks a server, with embeddings and a key, and says in one line what that answers wrongly", async () => {
    const asked: { readonly url: string | undefined; readonly key: unknown; readonly body: string }[] = [];
    let answer: { readonly status: number; readonly body: object } = {
      status: 200,
      body: {
        photos: [{ decision: "match", reason: null, person: "Ada", cosine: 0.7, threshold: 0.4, candidates: [] }],
      },
    };
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on("end", () => {
        asked.push({ url: request.url, key: request.headers["x-api-key"], body });
        response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const place = server.address();
    const address = `http://127.0.0.1:${typeof place === "object" ? place?.port : 0}`;
    await writeFile(join(folder, "key"), "secret\n");
    const args = ["watch", join(folder, "frames"), "--gallery", "people", "--server", address, "--model", model.path];
    const all = [...args, "--key-file", join(folder, "key"), "--detector", detector.path, ...watching];
    try {
      const { code, stdout, stderr } = await petalface([...all, "--json"]);
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ frames: 16, tracks: 2, matches: 2 });
      // This server is an older one, which says no rate.
      expect(JSON.parse(stdout).events[0].falseAcceptRate).toBeNull();
      expect(asked.map(({ url, key }) => [url, key])).toEqual([
        ["/v1/galleries/people/search", "secret"],
        ["/v1/galleries/people/search", "secret"],
      ]);
      const [probe] = (JSON.parse(asked[0]?.body ?? "{}") as { embeddings: { embedding: number[]; alpha: number }[] })
        .embeddings;
      expect([probe?.embedding.length, probe?.alpha]).toEqual([512, 1]);
      expect(Math.hypot(...(probe?.embedding ?? []))).toBeCloseTo(1, 5);
      answer = { status: 404, body: { detail: "there is no gallery people" } };
      const refused = await petalface(all);
      expect([refused.code, refused.stderr]).toEqual([
        1,
        expect.stringContaining(`the server ${address} answered 404: there is no gallery people`),
      ]);
      answer = { status: 503, body: { detail: "too many requests" } };
      const busy = await petalface([...all, "--json"]);
      expect(busy.code, busy.stderr).toBe(0);
      const { events } = JSON.parse(busy.stdout) as { events: WatchEvent[] };
      expect(events[0]).toMatchObject({
        decision: "unusable",
        person: null,
        reason: "the server answered 503: too many requests",
      });
    } finally {
      server.close();
    }
  });

  it("asks a real petalface serve", async () => {
    const { startServer } = await import("../../src/server/index.ts");
    const { singleThreshold } = await import("../../src/gallery/index.ts");
    const server = await startServer({
      galleries: [join(folder, "people.db")],
      port: 0,
      open: true,
      detector: "none",
      threads: 1,
      thresholds: { kind: "given", table: singleThreshold(0.3) },
    });
    try {
      const args = ["watch", join(folder, "frames"), "--gallery", "people", "--server", server.address];
      const all = [...args, "--model", model.path, "--detector", detector.path, ...watching, "--json"];
      const { code, stdout, stderr } = await petalface(all);
      expect(code, stderr).toBe(0);
      const { events, ...sums } = JSON.parse(stdout) as { events: WatchEvent[] };
      expect(sums).toMatchObject({ frames: 16, tracks: 2, matches: 2 });
      expect(events.filter(({ type }) => type === "decided").map(({ person }) => person)).toEqual(["Ada", "Ben"]);
      expect(events[0]).toMatchObject({ decision: "match", threshold: 0.3 });
    } finally {
      await server.close();
    }
  });

  it.skipIf(ffmpeg === undefined)("does what docs/watch.md says, in its order (needs ffmpeg)", async () => {
    const place = join(folder, "session");
    await mkdir(place);
    for (const name of ["people", "frames"]) await cp(join(folder, name), join(place, name), { recursive: true });
    const input = ["-framerate", "5", "-i", join(folder, "frames", "%03d.png")];
    execFileSync(ffmpeg ?? "", ["-v", "error", ...input, "-c:v", "mpeg4", "-q:v", "2", join(place, "door.mp4")]);
    const lines = blocksOf("docs/watch.md")
      .filter(({ reason }) => reason === undefined)
      .flatMap(({ code }) => code.trim().split("\n"));
    expect(lines.length).toBe(4);
    for (const line of lines) {
      const [program, ...args] = line.replaceAll("fr_feature", model.path).split(" ");
      expect(program).toBe("petalface");
      // Drawn faces are small for the gate; the detector has points of its own.
      const more = args[1] === "add" ? ["--force"] : [];
      const own = args[0] === "watch" ? ["--detector", detector.path, "--landmarks", "own", "--threshold", "0.3"] : [];
      const { code, stdout, stderr } = await petalface([...args, ...more, ...own], { cwd: place });
      expect(code, `${line}\n${stderr}`).toBe(0);
      if (args[0] !== "watch") continue;
      const events = stdout.trim().split("\n");
      expect(events.map((event) => (JSON.parse(event) as WatchEvent).person).sort()).toEqual([
        "Ada",
        "Ada",
        "Ben",
        "Ben",
      ]);
    }
  });

  it.each([
    [["--min-frames", "9"], "--min-frames 9 is more than --frames 5"],
    [["--fps", "0"], "--fps is a number above 0"],
    [["--server", "http://127.0.0.1:9"], "give its model with --model"],
    [["--threshold", "0.3", "--thresholds", "t.json"], "not both"],
  ])("refuses %j", async (more, message) => {
    const args = ["watch", join(folder, "frames"), "--gallery", join(folder, "people.db"), ...more];
    expect(await petalface(args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  });
});
