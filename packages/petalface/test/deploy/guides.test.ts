import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { drawFace, openFaceSpace } from "../../src/images/index.ts";
import { petalface } from "../cli/process.ts";
import { blocksOf } from "../docs/blocks.ts";
import { shared } from "../images/helpers.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const guides = resolve(import.meta.dirname, "../../../../docs/deploy");
/** A false-accept rate of 1 % takes 1,000 comparisons: 23 people with two faces. */
const people = 23;

let folder: string;
/** Folders of runs by the commands that made them, all on the same drawn faces. */
const runs = new Map<string, string>();
const kept = temporaryFolder("petalface-guide-runs-");
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-guide-"));
  await writeTinyBackbone(join(folder, "model.onnx"), 1, 112);
  await writeFile(join(folder, "det.onnx"), "a detector");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A folder of photos for each of some people, as a product has them. */
async function drawPeople(
  place: string,
  name: (person: number) => string,
  ending: "png" | "webp",
  images = 2,
): Promise<void> {
  const space = await openFaceSpace();
  for (let person = 0; person < people; person++) {
    const own = join(place, name(person));
    await mkdir(own, { recursive: true });
    for (let image = 0; image < images; image++) {
      const { data } = drawFace(space, { seed: 4, person, image }, 112);
      const picture = sharp(data, { raw: { width: 112, height: 112, channels: 3 } });
      await picture.toFormat(ending).toFile(join(own, `${name(person)}_${image}.${ending}`));
    }
  }
}

/** The commands of a guide: at most eight. */
function commandsOf(guide: string): string[] {
  const lines = blocksOf(`docs/deploy/${guide}`).flatMap(({ code }) => code.trim().split("\n"));
  expect(lines.length).toBeGreaterThan(3);
  expect(lines.length).toBeLessThanOrEqual(8);
  expect(lines.filter((line) => !line.startsWith("petalface "))).toEqual([]);
  return lines.map((line) => line.slice("petalface ".length));
}

/**
 * Less work than people's own: the tiny model trains on few steps, and intervals are of few
 * resamples.
 */
const shorter: Readonly<Record<string, string>> = {
  adapt: "--epochs 1 --batch 8 --rank 4 --threads 1 --lr-pixels 4,6,8",
  evaluate: "--resamples 50 --threads 1 --no-cache",
  threshold: "--resamples 50 --threads 1 --no-cache",
};

/**
 * Runs the commands one after the other.
 *
 * @param drawn whether the faces are those that `drawPeople` draws: several guides train and
 * measure on these with the same words but for the run's name, and that is done once
 */
async function follow(commands: readonly string[], drawn: boolean): Promise<void> {
  const said: string[] = [];
  for (const command of commands) {
    const [words = "", run] = / runs\/(\w+)/.exec(command) ?? [];
    const isOfRun = drawn && run !== undefined && !command.startsWith("export");
    if (isOfRun) said.push(command.replace(words, " runs/NAME"));
    const place = join(folder, "runs", run ?? "");
    const known = runs.get(said.join("\n"));
    if (isOfRun && known !== undefined) {
      await rm(place, { recursive: true, force: true });
      await cp(known, place, { recursive: true });
      continue;
    }
    const [name = ""] = command.split(" ");
    const args = `${command} ${shorter[name] ?? ""}`.trim().split(" ");
    const { code, stderr } = await petalface(args, { cwd: folder });
    expect(code, `${command}\n${stderr}`).toBe(0);
    if (!isOfRun) continue;
    const copy = join(kept, String(runs.size));
    await cp(place, copy, { recursive: true });
    runs.set(said.join("\n"), copy);
  }
}

it("every guide of docs/deploy is run here", async () => {
  const names = (await readdir(guides)).filter((name) => name !== "README.md").sort();
  const run = ["cctv-opencv", "compreface", "deepface", "frigate", "immich", "insightface", "insightface-rest"];
  expect(names).toEqual([...run, "triton-deepstream"].map((name) => `${name}.md`).sort());
});

describe("every command of the guide runs on a miniature of the product's folders", () => {
  it.each([
    ["insightface", ["detection.onnx", "recognition.onnx"], "petal"],
    ["immich", ["recognition"], "buffalo_l"],
    ["insightface-rest", ["onnx"], "models"],
    ["compreface", ["p0_0.png", "p0_0_12px.png", "p0_0_16px.png"], "people/p0"],
  ])("%s", async (guide, files, out) => {
    for (const name of ["faces", "people"])
      await drawPeople(join(folder, name), (person) => `p${person}`, "png", name === "faces" ? 2 : 1);
    await follow(commandsOf(`${guide}.md`), true);
    const written = (await readdir(join(folder, out))).filter((name) => !name.startsWith("."));
    expect(written.sort()).toEqual(files);
  });

  const detector = shared("weights", "yunet_n_dynamic.onnx");
  it.skipIf(!detector.exists).each([
    ["deepface", "people", ["buffalo_l"], "weights"],
    ["cctv-opencv", "cctv", ["recognition.onnx"], "opencv"],
    ["triton-deepstream", "people", ["deepstream", "triton"], "gpu"],
  ])("%s (needs PETALFACE_SHARED)", async (guide, photos, files, out) => {
    await writeFile(join(folder, "det.onnx"), await readFile(detector.path));
    for (const place of new Set([photos, "people"]))
      await drawPeople(join(folder, place), (person) => `p${person}`, "png");
    const commands = commandsOf(`${guide}.md`);
    await follow(
      commands.map((line) => (line.startsWith("align") ? `${line} --landmarks own` : line)),
      false,
    );
    const written = (await readdir(join(folder, out))).filter((name) => !name.startsWith("."));
    expect(written.sort()).toEqual(files);
    const copies = (await readdir(join(folder, "people", "p1"))).filter((name) => name.endsWith("px.png"));
    expect(copies.length).toBe(4);
  });

  it.skipIf(!detector.exists)("frigate (needs PETALFACE_SHARED)", async () => {
    await writeFile(join(folder, "det.onnx"), await readFile(detector.path));
    await drawPeople(join(folder, "clips", "faces"), (person) => `Person ${person}`.replace(" ", ""), "webp");
    await mkdir(join(folder, "clips", "faces", "train"));
    const one = join(folder, "clips", "faces", "Person0", "Person0_0.webp");
    await writeFile(join(folder, "clips", "faces", "train", "1-a-2-unknown-0.5.webp"), await readFile(one));
    const commands = commandsOf("frigate.md");
    // The landmarks by default are fetched from npm; the detector has points of its own.
    await follow(
      commands.map((line) => (line.startsWith("align") ? `${line} --landmarks own` : line)),
      false,
    );
    expect(await readdir(join(folder, "model_cache", "facedet"))).toContain("arcface.onnx");
    const anna = await readdir(join(folder, "clips", "faces", "Person1"));
    expect(anna.filter((name) => name.endsWith("px.png")).length).toBe(4);
  });
});
