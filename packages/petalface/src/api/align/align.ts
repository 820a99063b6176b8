import { stat } from "node:fs/promises";
import { extname, join, relative, resolve } from "node:path";
import { type FaceData, openData } from "../../data/index.ts";
import { plainName } from "../../disk-names.ts";
import { PetalfaceError } from "../../errors.ts";
import {
  type AlignSettings,
  type AlignSummary,
  alignedLists,
  alignFaces,
  type CropTemplate,
  countSources,
  findFfmpeg,
  isVideo,
  noFfmpeg,
  resolveDetector,
  type Source,
  sourceOfFile,
  walkSources,
} from "../../faces/index.ts";
import { printPath } from "../../images/index.ts";
import { claimOutputs } from "../outputs.ts";
import type { Surroundings } from "../surroundings.ts";

/** How to align. */
export interface AlignChoices
  extends Pick<AlignSettings, "size" | "format" | "all" | "rule" | "threshold" | "framesPerSecond"> {
  readonly detector: string;
  /** Geometry of the crops; ArcFace's unless given. */
  readonly template?: CropTemplate;
  /** `own`: the detector's own points. */
  readonly landmarks: string;
  readonly videos: boolean;
  readonly threads: number;
}

/** The defaults of `petalface align`. */
export const alignDefaults: Omit<AlignChoices, "threads"> = {
  size: 112,
  format: "png",
  all: false,
  rule: "central",
  threshold: null,
  framesPerSecond: 1,
  detector: "fr_detect",
  landmarks: "fr_landmark",
  videos: true,
};

/** Photos to align, before they are. */
export interface AlignInput {
  /** What the user typed. */
  readonly spec: string;
  readonly sources: Iterable<Source>;
  readonly count: number;
  readonly videos: number;
  readonly firstVideo: string | undefined;
}

/**
 * Finds the photos and videos of a folder, a file, or a manifest. Throws PetalfaceError where there
 * are none.
 */
export async function openAlignInput(
  spec: string,
  context: Pick<Surroundings, "signal" | "note">,
): Promise<AlignInput> {
  const entry = await stat(spec).catch(() => undefined);
  if (entry === undefined)
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `${printPath(spec)} does not exist; give a folder, a photo, a video or a manifest`,
    );
  if (entry.isDirectory()) {
    const found = countSources(spec, context.signal);
    const count = found.photos + found.videos;
    return { ...found, spec, count, sources: walkSources(spec, found.people, context.signal) };
  }
  if ([".csv", ".jsonl", ".ndjson"].includes(extname(spec).toLowerCase()))
    return inputOfData(await openData(spec, { signal: context.signal }));
  const videos = isVideo(spec) ? 1 : 0;
  return { spec, sources: [sourceOfFile(spec)], count: 1, videos, firstVideo: videos === 1 ? spec : undefined };
}

/** The files of a set of faces. Throws PetalfaceError where its faces are not files. */
export function inputOfData(data: FaceData): AlignInput {
  if (data.length > 0 && data.at(0).source.kind !== "file")
    throw new PetalfaceError("PETAL_OPTION_INVALID", `${data.spec} holds no photos that could be aligned`);
  return { spec: data.spec, sources: sourcesOfData(data), count: data.length, videos: 0, firstVideo: undefined };
}

function* sourcesOfData(data: FaceData): Generator<Source> {
  const taken = new Set<string>();
  for (let at = 0; at < data.length; at++) {
    const { id, person, source } = data.at(at);
    if (source.kind !== "file") continue;
    // Ids of a manifest may be absolute or lead upwards; crops lie below the output folder whatever
    // they look like.
    const plain = plainName(id)
      .split(/[\\/]/)
      .filter((part) => part !== "" && part !== "." && part !== "..")
      .join("/")
      .replaceAll(":", "_");
    let stem = plain.slice(0, plain.length - extname(plain).length) || plain;
    if (taken.has(stem.toLowerCase()) || /~\d+$/.test(stem)) stem = plain;
    while (taken.has(stem.toLowerCase())) stem += "~";
    taken.add(stem.toLowerCase());
    const name = data.people[person];
    yield { id, path: source.path, kind: "photo", stem, ...(name !== undefined && { person: plainName(name) }) };
  }
}

/** Aligns photos into a folder, with progress and notes. Throws PetalfaceError. */
export async function alignInto(
  input: AlignInput,
  out: string,
  choices: AlignChoices,
  context: Surroundings,
): Promise<AlignSummary> {
  const inside = relative(resolve(input.spec), resolve(out));
  if (inside === "" || !(inside.startsWith("..") || resolve(out) === inside))
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${printPath(out)} lies in ${printPath(input.spec)}: name a folder outside of it`,
    );
  await using _outputs = await claimOutputs(alignedLists(out), context, { inputs: [input.spec] });
  const ffmpeg = findFfmpeg();
  if (choices.videos && input.firstVideo !== undefined && ffmpeg === undefined)
    throw new PetalfaceError(
      "PETAL_PROGRAM_MISSING",
      noFfmpeg(printPath(input.firstVideo === input.spec ? input.spec : join(input.spec, input.firstVideo))),
    );
  const left = choices.videos ? 0 : input.videos;
  if (left === input.count)
    throw new PetalfaceError("PETAL_DATA_MISSING", `${printPath(input.spec)} holds only videos`);
  const detector = await resolveDetector(choices.detector);
  const landmarks = choices.landmarks === "own" ? undefined : await resolveDetector(choices.landmarks);
  const { size, format, all, rule, threshold, framesPerSecond, template = "arcface" } = choices;
  const progress = context.progress(
    "aligning",
    input.count - left,
    input.videos > left ? "photos and videos" : "photos",
  );
  try {
    return await alignFaces(
      {
        sources: choices.videos ? input.sources : withoutVideos(input.sources),
        settings: {
          input: resolve(input.spec),
          size,
          format,
          all,
          rule,
          threshold,
          framesPerSecond,
          ...(template !== "arcface" && { template }),
          detector: detector.spec.sha256,
          landmarks: landmarks?.spec.sha256 ?? null,
        },
        out,
        detector: detector.path,
        landmarks: landmarks?.path,
      },
      {
        threads: Math.min(choices.threads, Math.ceil(input.count / 4)),
        signal: context.signal,
        ffmpeg,
        onProgress: (done) => progress.update(done),
      },
    );
  } finally {
    progress.close();
  }
}

function* withoutVideos(sources: Iterable<Source>): Generator<Source> {
  for (const source of sources) if (source.kind === "photo") yield source;
}

/** What was done, one line a fact. */
export function describeAlignment(summary: AlignSummary): string[] {
  const { sources, reused, crops, aligned, fallback, weak, turned, resolution, unreadable } = summary;
  const many = (count: number, one: string, more: string): string =>
    `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
  return [
    `${many(crops, "crop", "crops")} of ${many(sources, "file", "files")}${reused > 0 ? `, ${reused.toLocaleString("en")} of them done before` : ""}`,
    `${many(aligned, "face", "faces")} aligned${weak > 0 ? `, ${weak.toLocaleString("en")} of them with a low score` : ""}; ${fallback.toLocaleString("en")} without a face, cut from the middle`,
    ...(turned > 0 ? [`${many(turned, "face", "faces")} upright only after the photo was rotated (see rotation)`] : []),
    ...(resolution === undefined
      ? []
      : [
          `resolution: median ${resolution.median} px along the crop, 5 % below ${resolution.low}, 5 % above ${resolution.high}`,
        ]),
    ...(unreadable.count === 0
      ? []
      : [
          `${many(unreadable.count, "file", "files")} could not be read (unreadable.jsonl): ${unreadable.first.join("; ")}${unreadable.count > unreadable.first.length ? "; ..." : ""}`,
        ]),
  ];
}
