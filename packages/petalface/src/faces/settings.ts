import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PetalfaceError, systemCode } from "../errors.ts";
import { writeFileSafely } from "../files.ts";
import { printPath } from "../images/index.ts";
import type { FaceRule } from "./choose.ts";
import type { CropTemplate } from "./templates.ts";
import type { CropFormat } from "./work.ts";

/** Everything that decides what the crops of given photos are. */
export interface AlignSettings {
  /** What is aligned, as an absolute path. */
  readonly input: string;
  readonly size: number;
  readonly format: CropFormat;
  readonly all: boolean;
  readonly rule: FaceRule;
  /** null: the detector's own. */
  readonly threshold: number | null;
  readonly framesPerSecond: number;
  /** Geometry of the crops, where it is not ArcFace's. */
  readonly template?: Exclude<CropTemplate, "arcface"> | undefined;
  /** SHA-256 of the detector's file. */
  readonly detector: string;
  /** SHA-256 of the landmark model's file; null: the detector's own points. */
  readonly landmarks: string | null;
}

/** Options by which the settings are given, for messages. */
const options: Readonly<Record<keyof AlignSettings, string>> = {
  input: "another folder",
  size: "another 'size'",
  format: "another 'format'",
  all: "another choice of 'all'",
  rule: "another 'face'",
  threshold: "another 'threshold'",
  framesPerSecond: "another 'fps'",
  template: "another 'template'",
  detector: "another 'detector'",
  landmarks: "other 'landmarks'",
};

/**
 * Writes the settings into an output folder, or compares them with those of the run that made it.
 *
 * @throws PetalfaceError where they differ: crops of two kinds would lie in one folder
 */
export async function keepSettings(folder: string, settings: AlignSettings): Promise<void> {
  const path = join(folder, "align.json");
  const text = `${JSON.stringify({ format: 2, settings }, null, 2)}\n`;
  let earlier: string;
  try {
    earlier = await readFile(path, "utf8");
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    await writeFileSafely(path, text);
    return;
  }
  if (earlier === text) return;
  const known = parse(earlier);
  const names = Object.keys(options) as (keyof AlignSettings)[];
  const changed = names.filter((name) => known?.[name] !== settings[name]).map((name) => options[name]);
  throw new PetalfaceError(
    "PETAL_OUTPUT_EXISTS",
    `${printPath(folder)} was made with ${changed.join(", ") || "another version"}; give another folder with 'out', or remove this one`,
  );
}

function parse(text: string): Partial<AlignSettings> | undefined {
  try {
    return (JSON.parse(text) as { settings?: Partial<AlignSettings> }).settings;
  } catch {
    return undefined;
  }
}

/**
 * The geometry of the crops in a folder that was aligned here; undefined where the folder says
 * none.
 */
export async function templateOfAligned(folder: string): Promise<CropTemplate | undefined> {
  const text = await readFile(join(folder, "align.json"), "utf8").catch(() => undefined);
  const known = text === undefined ? undefined : parse(text);
  return known && (known.template ?? "arcface");
}
