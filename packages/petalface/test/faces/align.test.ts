import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { itemAt } from "onnx-grad";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { openData } from "../../src/data/index.ts";
import { type FailureRecord, findFfmpeg } from "../../src/faces/index.ts";
import { ended, petalface, start } from "../cli/process.ts";
import { gradient, paint } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";
import { writeRetinaface } from "./graphs.ts";
import { corner, linesOf, middle, writePhoto } from "./photos.ts";

const folder = temporaryFolder();
const at = (...parts: string[]): string => join(folder, ...parts);
const blind = at("blind.onnx");
const seeing = at("seeing.onnx");

beforeAll(async () => {
  await writeRetinaface(blind, { width: 128, height: 128 }, []);
  await writeRetinaface(seeing, { width: 128, height: 128 }, [middle, corner]);
});

const align = (input: string, out: string, detector: string, ...more: string[]) =>
  petalface([
    ...["align", input, "--out", out, "--detector", detector, "--landmarks", "own", "--json", "--quiet"],
    // Starting a thread takes longer than these few photos.
    ...["--threads", "1", ...more],
  ]);

describe("photos of every kind", () => {
  const photos = at("kinds");
  const out = at("kinds-out");

  beforeAll(async () => {
    mkdirSync(photos);
    const image = sharp(gradient(90).data, { raw: { width: 90, height: 90, channels: 3 } });
    await image.clone().jpeg().toFile(join(photos, "plain.jpg"));
    const bytes = readFileSync(join(photos, "plain.jpg"));
    writeFileSync(join(photos, "corrupt.jpg"), bytes.subarray(0, bytes.length / 2));
    writeFileSync(join(photos, "empty.jpg"), "");
    writeFileSync(join(photos, "text.jpg"), "not a photo");
    writeFileSync(join(photos, "old.bmp"), "BM not read");
    writeFileSync(join(photos, "notes.txt"), "not a photo");
    await sharp({ create: { width: 1, height: 1, channels: 3, background: "#fa0" } })
      .png()
      .toFile(join(photos, "one.png"));
    await sharp({ create: { width: 20_000, height: 2_000, channels: 3, background: "#369" } })
      .jpeg()
      .toFile(join(photos, "huge.jpg"));
    await image.clone().greyscale().png().toFile(join(photos, "grey.png"));
    await image.clone().toColourspace("rgb16").png().toFile(join(photos, "sixteen.png"));
    const frames = Buffer.concat([gradient(90).data, gradient(90).data]);
    await sharp(frames, { raw: { width: 90, height: 180, channels: 3, pageHeight: 90 } })
      .gif({ delay: [100, 100] })
      .toFile(join(photos, "animated.gif"));
    // Blue above and red below, stored lying on its side: the tag says to turn it clockwise.
    const { data } = paint(80, 40, (x, _y, channel) => (channel === (x < 40 ? 0 : 2) ? 255 : 0));
    await sharp(data, { raw: { width: 80, height: 40, channels: 3 } })
      .withMetadata({ orientation: 8 })
      .png()
      .toFile(join(photos, "rotated.png"));
  });

  test("none that can be decoded is dropped; without a face it is cut from the middle, and the rest is listed", async () => {
    const { code, stdout, stderr } = await align(photos, out, blind);
    expect([code, stderr]).toEqual([0, ""]);
    const lines = linesOf(out);
    expect(lines.map(({ source }) => source)).toEqual([
      ...["animated.gif", "grey.png", "huge.jpg", "one.png", "plain.jpg", "rotated.png", "sixteen.png"],
    ]);
    for (const line of lines) {
      expect(line).toMatchObject({
        aligned: false,
        fallback: "centre",
        box: null,
        points: null,
        score: null,
        face: 1,
        faces: 1,
      });
      const { width, height } = await sharp(join(out, line.path)).metadata();
      expect([width, height]).toEqual([112, 112]);
    }
    expect(linesOf<FailureRecord>(out, "unreadable.jsonl").map(({ source, error }) => [source, error])).toEqual([
      ["corrupt.jpg", expect.stringMatching(/cannot decode .*corrupt\.jpg/)],
      ["empty.jpg", expect.stringMatching(/empty\.jpg is empty/)],
      ["old.bmp", expect.stringMatching(/BMP, which is not read/)],
      ["text.jpg", expect.stringMatching(/is not a JPEG/)],
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      sources: 11,
      crops: 7,
      aligned: 0,
      fallback: 7,
      unreadable: { count: 4 },
    });
    const line = (name: string) => lines.find(({ source }) => source === name);
    expect(line("huge.jpg")).toMatchObject({ width: 20_000, height: 2_000, resolution: 2_000, scale: 0.056 });
    expect(line("one.png")).toMatchObject({ width: 1, height: 1, resolution: 1, scale: 112 });
    expect(line("rotated.png")).toMatchObject({ width: 40, height: 80 });
  });

  test("is turned upright as its EXIF tag says", async () => {
    const colours = async (path: string) => {
      const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
      const pixel = (row: number) => [...data.subarray(info.channels * (row * 112 + 56)).subarray(0, 3)];
      return [pixel(5), pixel(106)];
    };
    expect(await colours(join(out, "rotated.png"))).toEqual([
      [0, 0, 255],
      [255, 0, 0],
    ]);
  });
});

describe("a face that is found", () => {
  const photos = at("found");

  beforeAll(async () => {
    await writePhoto(join(photos, "Anna Müller", "a.png"));
    await writePhoto(join(photos, "Anna Müller", "a.jpg.png"));
    await writePhoto(join(photos, "B", "deep", "b.png"), 256, 256, 1);
  });

  test("lies on the template; a manifest says where it was, and is a data set", async () => {
    const out = at("found-out");
    expect((await align(photos, out, seeing)).code).toBe(0);
    const lines = linesOf(out);
    expect(lines.map(({ path, person }) => [path, person])).toEqual([
      ["Anna Müller/a.jpg.png", "Anna Müller"],
      ["Anna Müller/a.png", "Anna Müller"],
      ["B/deep/b.png", "B"],
    ]);
    // The second photo is the canvas itself: its crop is the canvas from (8, 8) on.
    expect(lines[1]).toMatchObject({
      aligned: true,
      fallback: null,
      scale: 1,
      resolution: 112,
      score: 0.99,
      box: middle.box,
    });
    const crop = await sharp(join(out, "Anna Müller", "a.png"))
      .raw()
      .toBuffer();
    const photo = await sharp(join(photos, "Anna Müller", "a.png"))
      .extract({ left: 8, top: 8, width: 112, height: 112 })
      .raw()
      .toBuffer();
    const apart = crop.reduce((most, value, place) => Math.max(most, Math.abs(value - itemAt(photo, place))), 0);
    expect(apart).toBeLessThanOrEqual(1);
    // The third is twice as large.
    expect(lines[2]).toMatchObject({ scale: 0.5, resolution: 224, width: 256 });
    expect(lines[2]?.points?.[0]?.[0]).toBeCloseTo(2 * (middle.points[0][0] + 0.5) - 0.5, 1);
    const data = await openData(join(out, "manifest.jsonl"));
    expect([data.length, [...data.people]]).toEqual([3, ["Anna Müller", "B"]]);
  });

  test("is one of several with --all, and the largest or the central one without", async () => {
    const out = at("all-out");
    // Small enough to be looked at whole only; this detector finds its two faces in every tile.
    const small = at("small");
    await writePhoto(join(small, "Anna Müller", "a.png"), 64, 64);
    expect((await align(small, out, seeing, "--all", "--format", "jpg", "--size", "160")).code).toBe(0);
    const lines = linesOf(out);
    expect(lines.map(({ path, face, faces }) => [path, face, faces])).toEqual([
      ["Anna Müller/a.jpg", 1, 2],
      ["Anna Müller/a~2.jpg", 2, 2],
    ]);
    expect((await sharp(join(out, "Anna Müller", "a~2.jpg")).metadata()).width).toBe(160);
    expect((await align(photos, at("largest-out"), seeing, "--face", "largest")).code).toBe(0);
    expect(linesOf(at("largest-out"))[1]?.box).toEqual(middle.box);
  });

  test("has the same bytes with any number of threads, and from a manifest of the photos", async () => {
    const [one, three] = [at("threads-1"), at("threads-3")];
    await align(photos, one, seeing, "--threads", "1");
    await align(photos, three, seeing, "--threads", "3");
    expect(contentOf(three)).toEqual(contentOf(one));
    const list = at("list.jsonl");
    const paths = ["found/B/deep/b.png", "found/Anna Müller/a.png"];
    writeFileSync(list, paths.map((path) => `${JSON.stringify({ path, person: "X" })}\n`).join(""));
    expect((await align(list, at("list-out"), seeing)).code).toBe(0);
    expect(linesOf(at("list-out")).map(({ source, person }) => [source, person])).toEqual(
      paths.map((path) => [path, "X"]),
    );
    expect(readFileSync(at("list-out", "found/B/deep/b.png"))).toEqual(readFileSync(join(one, "B/deep/b.png")));
  });
});

/** Every file of an output folder but its settings, which name the input. */
function contentOf(out: string): Record<string, string> {
  const names = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    names
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !path.endsWith("align.json"))
      .sort()
      .map((path) => [path.slice(out.length), readFileSync(path).toString("base64")]),
  );
}

describe("a run that goes on", () => {
  const photos = at("many");
  const count = 120;

  beforeAll(async () => {
    for (let photo = 0; photo < count; photo++)
      await writePhoto(join(photos, `p${photo % 8}`, `${String(photo).padStart(3, "0")}.png`), 128, 128, photo);
    writeFileSync(join(photos, "p3", "bad.jpg"), "not a photo");
  });

  test("after kill -9 has the bytes of one that was never killed, and does nothing twice", async () => {
    const [whole, killed] = [at("whole"), at("killed")];
    expect((await align(photos, whole, seeing)).code).toBe(0);
    let kills = 0;
    for (const least of [8, 40, 80]) {
      const child = start(["align", photos, "--out", killed, "--detector", seeing, "--landmarks", "own", "--quiet"]);
      const over = ended(child);
      while (child.exitCode === null && logged(killed) < least) await wait(2);
      if (child.exitCode === null && child.kill("SIGKILL")) kills++;
      await over;
    }
    expect(kills).toBeGreaterThan(0);
    // A kill within a write leaves half a line.
    const log = join(killed, "unfinished.jsonl");
    const before = logged(killed);
    if (before > 0) writeFileSync(log, readFileSync(log).subarray(0, -7));
    const { code, stdout } = await align(photos, killed, seeing);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { reused: number }).reused).toBeGreaterThanOrEqual(before - 1);
    expect(contentOf(killed)).toEqual(contentOf(whole));
  });

  test("notices photos that were added, changed or removed, and keeps the others", async () => {
    const out = at("whole");
    const crop = join(out, "p1", "001.png");
    const { mtimeMs } = await stat(crop);
    await writePhoto(join(photos, "p0", "0000.png"), 128, 128, 999);
    await writePhoto(join(photos, "p2", "002.png"), 140, 128, 5);
    rmSync(join(photos, "p4", "004.png"));
    const changed = await align(photos, out, seeing);
    expect(JSON.parse(changed.stdout)).toMatchObject({ sources: count + 1, crops: count, reused: count - 2 });
    expect((await stat(crop)).mtimeMs).toBe(mtimeMs);
    const lines = linesOf(out);
    expect(lines.map(({ source }) => source)).toContain("p0/0000.png");
    expect(lines.map(({ source }) => source)).not.toContain("p4/004.png");
    expect(lines.find(({ source }) => source === "p2/002.png")).toMatchObject({ width: 140 });
    // A crop that is gone, and one older than its photo, are made again.
    rmSync(crop);
    await utimes(join(out, "p5", "005.png"), 1, 1);
    expect(JSON.parse((await align(photos, out, seeing)).stdout)).toMatchObject({ reused: count - 2 });
    expect((await stat(crop)).size).toBeGreaterThan(100);
  });

  test("with other settings is refused, saying which", async () => {
    const { code, stderr } = await align(photos, at("whole"), blind, "--size", "128");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^petalface: .*whole was made with another --size, another --detector; .*\n$/);
  });
});

function logged(out: string): number {
  try {
    return readFileSync(join(out, "unfinished.jsonl"), "latin1").split("\n").length - 1;
  } catch {
    return 0;
  }
}

describe("videos", () => {
  const photos = at("videos");
  const tools = at("tools");

  beforeAll(async () => {
    await writePhoto(join(photos, "first.png"));
    writeFileSync(join(photos, "clip.mp4"), "a video");
    mkdirSync(tools);
    // Stands in for ffmpeg: three frames of 128 x 128 as `-f image2pipe -c:v ppm` writes them, cut
    // at odd places.
    const script = `#!${process.execPath}
if (!process.argv.includes("fps=2")) process.exit(3);
const frame = Buffer.concat([Buffer.from("P6\\n128 128\\n255\\n"), Buffer.alloc(3 * 128 * 128, 77)]);
const all = Buffer.concat([frame, frame, frame]);
for (let at = 0; at < all.length; at += 5000) process.stdout.write(all.subarray(at, at + 5000));
`;
    writeFileSync(join(tools, "ffmpeg.js"), script);
    chmodSync(join(tools, "ffmpeg.js"), 0o755);
    renameSync(join(tools, "ffmpeg.js"), join(tools, "ffmpeg"));
  });

  const run = (path: string, ...args: string[]) =>
    petalface(["align", ...args, "--detector", seeing, "--landmarks", "own", "--quiet", "--json"], {
      env: { PATH: path },
    });

  test("give a crop for each frame, with its time", async () => {
    const out = at("videos-out");
    const { code, stderr } = await run(tools, photos, "--out", out, "--fps", "2");
    expect([code, stderr]).toEqual([0, ""]);
    const lines = linesOf(out);
    expect(lines.map(({ path, frame, time }) => [path, frame, time])).toEqual([
      ["clip~000001.png", 1, 0],
      ["clip~000002.png", 2, 0.5],
      ["clip~000003.png", 3, 1],
      ["first.png", undefined, undefined],
    ]);
    expect(JSON.parse((await run(tools, photos, "--out", out, "--fps", "2")).stdout)).toMatchObject({
      sources: 2,
      reused: 2,
    });
  });

  test("without ffmpeg are one clear line, or left out", async () => {
    const { code, stderr } = await run("", photos, "--out", at("no-ffmpeg"));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^petalface: .*clip\.mp4 is a video, and there is no ffmpeg on the PATH; .*--no-videos\n$/);
    expect((await run("", photos, "--out", at("no-videos"), "--no-videos")).code).toBe(0);
    expect(linesOf(at("no-videos")).map(({ source }) => source)).toEqual(["first.png"]);
  });

  test("that ffmpeg cannot read are listed", async () => {
    const out = at("broken-video");
    const { code } = await run(tools, photos, "--out", out, "--fps", "5");
    expect(code).toBe(0);
    expect(linesOf<FailureRecord>(out, "unreadable.jsonl")).toMatchObject([
      { source: "clip.mp4", error: expect.stringMatching(/ffmpeg cannot read .*exit code 3/) },
    ]);
  });

  test.skipIf(findFfmpeg() === undefined)("are read by the real ffmpeg (needs ffmpeg on the PATH)", async () => {
    const real = at("real-video");
    mkdirSync(real);
    const { execFileSync } = await import("node:child_process");
    const source = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=2"];
    execFileSync(findFfmpeg() as string, ["-v", "error", ...source, "-pix_fmt", "yuv420p", join(real, "test.avi")]);
    expect((await run(process.env.PATH ?? "", real, "--out", at("real-video-out"), "--fps", "2")).code).toBe(0);
    expect(linesOf(at("real-video-out")).map(({ time, width, height }) => [time, width, height])).toEqual(
      [0, 0.5, 1, 1.5].map((time) => [time, 160, 120]),
    );
  });
});

describe("wrong usage", () => {
  test.each([
    ["a folder that is not there", ["missing"], /missing does not exist/],
    ["an empty folder", ["nothing"], /nothing holds no photos and no videos/],
    ["an output within the input", ["found", "--out", "found/out"], /lies in .*found: name a folder outside/],
    ["a folder of something else", ["found", "--out", "found"], /lies in/],
    ["an output that holds something else", ["found", "--out", "kinds"], /kinds holds something else/],
    ["a detector that is none", ["found", "--detector", "list.jsonl"], /list\.jsonl/],
    ["a threshold beyond 1", ["found", "--threshold", "2"], /--threshold is a number between 0 and 1/],
    ["a single file that is not a photo", ["kinds/text.jpg"], /no file of .*text\.jpg could be read/],
  ])("%s is one line", async (_what, [input = "", ...more], message) => {
    mkdirSync(at("nothing"), { recursive: true });
    const named = more.includes("--out") ? [] : ["--out", at("usage-out", String(message).length.toString())];
    const args = more.map((text, place) =>
      more[place - 1] === "--out" || more[place - 1] === "--detector" ? at(text) : text,
    );
    const detector = more.includes("--detector") ? [] : ["--detector", blind];
    const { code, stderr, stdout } = await petalface([
      "align",
      at(input),
      ...named,
      ...args,
      ...detector,
      "--landmarks",
      "own",
      "--quiet",
    ]);
    expect([1, 2]).toContain(code);
    expect(stdout).toBe("");
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n").length).toBe(1);
  });
});
