import { execFileSync } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findFfmpeg } from "petalface/faces";
import { decodePhoto, encodePixels, type Pixels, resize } from "petalface/images";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { flags, petalface } from "../skeleton/children.ts";
import { addRow, table } from "../skeleton/page.ts";
import { paste } from "../skeleton/pixels.ts";
import { lfw, modelFile, shared } from "../skeleton/shared.ts";

const [width, height] = [1280, 720];
/** Side of a pasted photo; its face is about 0.4 of that wide. */
const side = 240;
/** People who are enrolled. */
const people = 40;
/** Pixels by which a face moves from frame to frame. */
const step = 12;

const detectors: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "fr_detect, fr_landmark (default)": {},
  YuNet: { detector: join(shared, "weights/yunet_n_dynamic.onnx"), landmarks: "own" },
  SCRFD: { detector: join(shared, "weights/scrfd_2.5g_bnkps.onnx"), landmarks: "own" },
};

export default defineBenchmark({
  name: "watch",
  title: "Watching a camera",
  measures: "How many frames of 1280 x 720 a second `petalface watch` follows, and whether it knows the faces.",
  minutes: 3,
  needs: "the shared photos, detectors and weights; ffmpeg",
  options: {
    frames: { help: "frames of each camera", default: 60 },
    faces: { help: "faces in each frame", default: [1, 4] },
    threads: { help: "threads of the engine", default: 2 },
    model: { help: "name among the shared weights", default: "fr_feature" },
  },
  async run({ frames, faces, threads, model }, { work }) {
    const names = (await readdir(join(shared, "data/lfw250_sample"))).sort();
    const gallery = join(work, "people.db");
    await petalface(["gallery", "create", gallery, "--model", modelFile(model)]);
    // Enrolled with other photos than the one that is shown.
    const known: string[] = [];
    for (const name of names)
      if (known.length < people && (await readdir(join(lfw, name))).length > 1) known.push(name);
    for (const name of known)
      await petalface(["gallery", "add", gallery, ...(await photosOf(name)), "--person", name, "--force"]);
    const rows: string[][] = [];
    for (const count of faces) {
      const shown = known.slice(0, count);
      const video = await drawVideo(join(work, `camera-${count}`), shown, frames);
      for (const [name, options] of Object.entries(detectors)) {
        const args = flags({ gallery, once: true, threads, ...options });
        const { value, processor } = await petalface(["watch", video, ...args]);
        const { seconds, tracks, events } = value as unknown as {
          readonly seconds: number;
          readonly tracks: number;
          readonly events: readonly { readonly type: string; readonly person: string | null }[];
        };
        const right = events.filter(({ type, person }) => type === "decided" && shown.includes(person ?? "")).length;
        const each = ((1000 * processor) / frames).toFixed(0);
        addRow(rows, [name, String(count), (frames / seconds).toFixed(1), each, String(tracks), String(right)]);
      }
    }
    return {
      body: `
A video of ${frames} frames of ${width} x ${height}, faces of about ${Math.round(0.4 * side)} px that move ${step} px a frame, ${model}, ${threads} threads.
The time is that of the whole command's work: decoding by ffmpeg, finding, aligning, embedding, following, deciding. ${known.length} people are
enrolled with other photos, up to three each. The processor time is of all threads, with the start of the command. Right: tracks decided as the person that the frames show.

${table(["detector", "faces in a frame", "frames/s", "processor ms a frame", "tracks", "right"], rows)}`,
    };
  },
});

/** Aligned photos of a person, without the one that the frames show. */
async function photosOf(name: string): Promise<string[]> {
  const [shown] = (await readdir(join(shared, "data/lfw250_sample", name))).sort();
  const all = (await readdir(join(lfw, name))).sort().filter((file) => file !== shown);
  return all.slice(0, 3).map((file) => join(lfw, name, file));
}

/** A video with a row of photos that move to the right; returns its file. */
async function drawVideo(folder: string, names: readonly string[], count: number): Promise<string> {
  await mkdir(folder, { recursive: true });
  const photos: Pixels[] = [];
  for (const name of names) {
    const place = join(shared, "data/lfw250_sample", name);
    const [file = ""] = (await readdir(place)).sort();
    photos.push(resize((await decodePhoto(join(place, file))).pixels, side, side));
  }
  for (let t = 0; t < count; t++) {
    const frame: Pixels = { width, height, data: new Uint8Array(3 * width * height).fill(100) };
    for (const [at, photo] of photos.entries())
      paste(frame, photo, [((at % 4) * 310 + step * t) % (width - side), 40 + 340 * Math.floor(at / 4)]);
    await writeFile(join(folder, `${String(t).padStart(4, "0")}.png`), await encodePixels(frame));
  }
  const input = ["-framerate", "5", "-i", join(folder, "%04d.png")];
  const video = `${folder}.mp4`;
  execFileSync(findFfmpeg() ?? "ffmpeg", ["-v", "error", "-y", ...input, "-c:v", "mpeg4", "-q:v", "2", video]);
  return video;
}
