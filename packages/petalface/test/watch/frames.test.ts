import { execFileSync } from "node:child_process";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findFfmpeg, streamFrames, videoFrames } from "../../src/faces/index.ts";
import { type Frame, framesOf, newest, shownSource } from "../../src/watch/index.ts";
import { startRtspCamera } from "./rtsp.ts";

let folder: string;
const notes: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-frames-"));
  notes.length = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const picture = (grey: number): Promise<Buffer> =>
  sharp({ create: { width: 64, height: 48, channels: 3, background: { r: grey, g: grey, b: grey } } })
    .png()
    .toBuffer();
const greyOf = ({ pixels }: Frame): number => pixels.data[0] ?? -1;
const options = (source: string, more: object = {}) => ({
  source,
  perSecond: 5,
  once: true,
  signal: AbortSignal.timeout(30_000),
  note: (line: string) => void notes.push(line),
  ...more,
});
async function all(frames: AsyncIterable<Frame>): Promise<Frame[]> {
  const found: Frame[] = [];
  for await (const frame of frames) found.push(frame);
  return found;
}

describe("a program for videos that cannot be started", () => {
  // Node's spawn throws for the first, and reports the second later.
  it.each([
    ["ff\0mpeg", "PETAL_SYSTEM_FAILED"],
    ["/no/such/ffmpeg", "PETAL_PROGRAM_MISSING"],
  ])("%j is named in one line", async (program, code) => {
    const wanted = { code, message: expect.stringMatching(/^cannot start ffmpeg: [^\n]+$/) };
    await writeFile(join(folder, "a.mp4"), "no video");
    const file = videoFrames(program, join(folder, "a.mp4"), 5);
    await expect(file.next()).rejects.toMatchObject(wanted);
    const stream = streamFrames(program, "rtsp://127.0.0.1/a", "the camera", 5);
    await expect(stream.next()).rejects.toMatchObject(wanted);
  });
});

describe("a folder of frames", () => {
  it("is read in the order of names, with what cannot be read noted", async () => {
    for (const [name, grey] of [
      ["b.png", 20],
      ["a.png", 10],
      [".hidden.png", 99],
    ] as const)
      await writeFile(join(folder, name), await picture(grey));
    await writeFile(join(folder, "c.png"), "no picture");
    await writeFile(join(folder, "notes.txt"), "text");
    const frames = await all(framesOf(options(folder)));
    expect(frames.map((frame) => [greyOf(frame), frame.number, frame.time])).toEqual([
      [10, 0, 0],
      [20, 1, 0.2],
    ]);
    expect(notes).toEqual([expect.stringContaining("c.png")]);
  });

  it("grows: pictures are taken as they come, also one that is written slowly", async () => {
    await writeFile(join(folder, "1.png"), await picture(10));
    const stop = new AbortController();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const frame of framesOf(options(folder, { once: false, signal: stop.signal }))) {
        seen.push(greyOf(frame));
        if (seen.length === 3) stop.abort();
      }
    })();
    await sleep(300);
    const slow = await picture(30);
    await writeFile(join(folder, "2.png"), slow.subarray(0, 20));
    await sleep(400);
    await writeFile(join(folder, "2.new"), slow);
    await rename(join(folder, "2.new"), join(folder, "2.png"));
    await sleep(400);
    await writeFile(join(folder, "3.png"), await picture(50));
    await reading;
    expect(seen).toEqual([10, 30, 50]);
    expect(notes).toEqual([]);
  });

  it("that is missing is refused in one line", async () => {
    await expect(all(framesOf(options(join(folder, "none"))))).rejects.toThrow("no such file or folder");
  });
});

const ffmpeg = findFfmpeg();
describe.skipIf(ffmpeg === undefined)("a video (needs ffmpeg)", () => {
  const make = (to: string): void => {
    const source = ["-f", "lavfi", "-i", "color=c=gray:s=64x48:r=10:d=2"];
    execFileSync(ffmpeg ?? "", ["-v", "error", ...source, "-c:v", "mpeg4", to]);
  };

  it("is read frame by frame at the rate asked for", async () => {
    const file = join(folder, "door.mp4");
    make(file);
    const frames = await all(framesOf(options(file)));
    expect(frames.length).toBe(10);
    expect(frames.at(-1)?.time).toBeCloseTo(1.8, 9);
    expect(Math.abs(greyOf(frames[0]) - 128)).toBeLessThan(6);
  });

  it("is read from a camera by RTSP, with its user and password", async () => {
    const file = join(folder, "door.mp4");
    make(file);
    await using camera = await startRtspCamera(ffmpeg ?? "", file, folder, { name: "me", password: "secret" });
    const stop = new AbortController();
    const given = { once: false, signal: AbortSignal.any([stop.signal, AbortSignal.timeout(60_000)]) };
    const frames: Frame[] = [];
    for await (const frame of framesOf(options(camera.address, given))) {
      frames.push(frame);
      if (frames.length === 3) stop.abort();
    }
    expect(frames.map(({ pixels: { width, height } }) => [width, height])).toEqual(frames.map(() => [64, 48]));
    expect(frames.length).toBe(3);
    expect(Math.abs(greyOf(frames[2]) - 128)).toBeLessThan(6);
    expect(camera.asked).toContain("PLAY");
    expect(notes.join(" ")).not.toContain("secret");
  });

  it("is read from an address like a camera's, and a broken one is named without its password", async () => {
    const file = join(folder, "door.mp4");
    make(file);
    const { createServer } = await import("node:http");
    const { createReadStream } = await import("node:fs");
    const server = createServer((_, response) => createReadStream(file).pipe(response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const place = server.address();
    const port = typeof place === "object" ? place?.port : 0;
    try {
      const frames = await all(framesOf(options(`http://me:secret@127.0.0.1:${port}/door.mp4`)));
      expect(frames.length).toBeGreaterThan(0);
      expect(frames[0]?.pixels.width).toBe(64);
    } finally {
      server.closeAllConnections();
      server.close();
    }
    const broken = all(framesOf(options(`http://me:secret@127.0.0.1:${port}/door.mp4`)));
    await expect(broken).rejects.toThrow(/^ffmpeg cannot read http:\/\/127\.0\.0\.1/);
    await expect(broken).rejects.not.toThrow("secret");
  });
});

it("names an address without user and password", () => {
  expect(shownSource("rtsp://me:secret@door.example:554/1")).toBe("rtsp://door.example:554/1");
});

describe("newest", () => {
  async function* numbers(count: number, pause: number) {
    for (let i = 0; i < count; i++) {
      yield i;
      await sleep(pause);
    }
  }

  it("leaves out what came while the reader was busy, and gives the last one", async () => {
    const seen: number[] = [];
    for await (const item of newest(numbers(20, 10), new AbortController().signal)) {
      seen.push(item);
      await sleep(60);
    }
    expect(seen.length).toBeLessThan(12);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(19);
  });

  it("hands an error on", async () => {
    async function* failing() {
      yield 1;
      throw new Error("broken");
    }
    const read = async () => {
      for await (const _ of newest(failing(), new AbortController().signal)) await sleep(1);
    };
    await expect(read()).rejects.toThrow("broken");
  });
});
