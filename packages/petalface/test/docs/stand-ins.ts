import { cp, mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp from "sharp";
import type { Box, FivePoints } from "../../src/faces/geometry.ts";
import { degrade, drawFace, openFaceSpace } from "../../src/images/index.ts";
import { random } from "../../src/random.ts";
import { petalface } from "../cli/process.ts";
import { writeRetinaface } from "../faces/graphs.ts";
import { writeTinyBackbone } from "../support/backbone.ts";

const side = 112;
/** As many as 10 folds of pairs need. */
const people = 20;

interface FaceSet {
  readonly seed: number;
  readonly count: number;
  /** Resolution of its faces; as they are drawn unless given. */
  readonly pixels?: number;
}

/**
 * Sets of faces that pages name: a rate of 1 % needs 1,000 pairs of two people, and a camera's
 * crops are small.
 */
const sets: Readonly<Record<string, FaceSet>> = {
  faces: { seed: 4, count: people },
  others: { seed: 5, count: 24 },
  crops: { seed: 7, count: people, pixels: 5 },
};
/** Other names of these sets. */
const aliases = { faces: ["photos", "train", "gallery", "yard"], others: ["lfw", "test"] } as const;

/** Where the detector finds eyes, nose and mouth in every photo: in the middle. */
const points: FivePoints = [
  [38, 52],
  [74, 52],
  [56, 72],
  [42, 92],
  [71, 92],
];

/** Less work than people's own: few steps of training, few resamples. */
export const shorter: Readonly<Record<string, readonly string[]>> = {
  adapt: ["--epochs", "1", "--batch", "8", "--rank", "4", "--threads", "1", "--lr-pixels", "4,6,8"],
  evaluate: ["--resamples", "50", "--threads", "1", "--no-cache"],
  threshold: ["--resamples", "50", "--threads", "1", "--no-cache"],
  compare: ["--resamples", "50"],
};

/** Runs a command of petalface in a folder; its error is one of the test. */
export async function runIn(folder: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await petalface(args, { cwd: folder });
  if (code !== 0) throw new Error(`petalface ${args.join(" ")}: exit code ${code}\n${stderr}`);
  return stdout;
}

const nameOf = (person: number): string => `Person_${person}`;
const photoOf = (person: number, image: number): string =>
  `${nameOf(person)}/${nameOf(person)}_${String(image + 1).padStart(4, "0")}.jpg`;

async function drawSet(place: string, { seed, count, pixels }: FaceSet): Promise<void> {
  const space = await openFaceSpace();
  for (let person = 0; person < count; person++)
    for (let image = 0; image < 2; image++) {
      const drawn = drawFace(space, { seed, person, image }, side);
      const { data } = pixels === undefined ? drawn : degrade(drawn, { kind: "lr", pixels });
      const path = join(place, photoOf(person, image));
      await mkdir(dirname(path), { recursive: true });
      await sharp(data, { raw: { width: side, height: side, channels: 3 } })
        .jpeg({ quality: 95 })
        .toFile(path);
    }
}

/** LFW's form: a genuine and an impostor pair of each person, in two folds. */
function pairsFile(): string {
  const perFold = people / 2;
  const lines = [`2\t${perFold}`];
  for (let fold = 0; fold < 2; fold++) {
    const own = Array.from({ length: perFold }, (_, at) => fold * perFold + at);
    lines.push(...own.map((person) => `${nameOf(person)}\t1\t2`));
    lines.push(...own.map((person, at) => `${nameOf(person)}\t1\t${nameOf(own[(at + 1) % perFold] ?? 0)}\t2`));
  }
  return `${lines.join("\n")}\n`;
}

/**
 * A manifest of faces of many resolutions, whose column `quality` is that resolution. Drawn faces
 * are smooth, so sharp ones get the detail of noise.
 */
async function writeScored(folder: string): Promise<void> {
  const space = await openFaceSpace();
  await mkdir(join(folder, "scored"));
  const rows: string[] = [];
  const noise = random("scored faces", 1);
  for (let face = 0; face < 2 * people; face++) {
    const [person, isSharp] = [Math.floor(face / 2), face % 2 === 0];
    const pixels = isSharp ? side : 8 + person;
    const drawn = drawFace(space, { seed: 6, person, image: face % 2 }, side);
    const { data } = isSharp
      ? { data: drawn.data.map((value) => Math.min(255, Math.max(0, value + 25 * noise.normal()))) }
      : degrade(drawn, { kind: "lr", pixels });
    const path = `scored/${face}.png`;
    await sharp(data, { raw: { width: side, height: side, channels: 3 } }).toFile(join(folder, path));
    rows.push(`${path},${nameOf(person)},${pixels}`);
  }
  await writeFile(join(folder, "faces.csv"), `path,person,quality\n${rows.join("\n")}\n`);
}

/**
 * Makes what pages take for granted, in small: a model, a detector, sets of drawn faces, and one
 * run that is all of the runs that they name.
 */
export async function makeStandIns(folder: string): Promise<void> {
  await writeTinyBackbone(join(folder, "model.onnx"), 1, side);
  const box: Box = [side / 4, side / 4, (3 * side) / 4, (3 * side) / 4];
  await writeRetinaface(join(folder, "det.onnx"), { width: 256, height: 256 }, [{ box, points, score: 0.9 }]);
  for (const [name, drawn] of Object.entries(sets)) await drawSet(join(folder, name), drawn);
  for (const [name, others] of Object.entries(aliases))
    for (const other of others) await symlink(join(folder, name), join(folder, other), "junction");
  await writeFile(join(folder, "pairs.txt"), pairsFile());
  await writeScored(folder);
  const first = join("runs", "first");
  await runIn(folder, ["adapt", "--model", "model.onnx", "--train", "faces", "--out", first, ...(shorter.adapt ?? [])]);
}

/** Copies of the one run, under the names that pages give to theirs. */
const runs = ["runs/first", "runs/second", "runs/door", "demo-out/petal"];

/** A folder for one page, with everything that {@link makeStandIns} made. */
export async function openPlace(standIns: string, place: string): Promise<void> {
  await mkdir(place);
  for (const name of await readdir(standIns))
    if (name !== "runs") await symlink(join(standIns, name), join(place, name), "junction");
  for (const run of runs) await cp(join(standIns, "runs", "first"), join(place, run), { recursive: true });
}

/** Removes what a page's command is going to write, if it is one of the stand-ins. */
export async function clearOutput(place: string, args: readonly string[], made: Set<string>): Promise<void> {
  const out = args[args.indexOf("--out") + 1];
  if (!args.includes("--out") || out === undefined || made.has(out)) return;
  made.add(out);
  await rm(join(place, out), { recursive: true, force: true });
}
