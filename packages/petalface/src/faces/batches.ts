import { statSync } from "node:fs";
import { itemAt } from "onnx-grad";
import { onDisk } from "../disk-names.ts";
import { PetalfaceError } from "../errors.ts";
import { frameStem, type Log } from "./log.ts";
import type { Pool } from "./pool.ts";
import { type FaceRecord, type Line, rounded } from "./record.ts";
import type { Source } from "./sources.ts";
import { videoFrames } from "./video.ts";
import type { Job, JobResult } from "./work.ts";

/** Lines of some sources, or of some frames of one. */
export interface Batch {
  readonly lines: readonly Line[];
  /** Whether the log has them already. */
  readonly written: boolean;
  /** Sources that end with this batch. */
  readonly sources: number;
  /** Whether an earlier run made them. */
  readonly reused: boolean;
}

/** How videos are read. */
export interface VideoOptions {
  /** Undefined where there is no ffmpeg. */
  readonly ffmpeg: string | undefined;
  readonly perSecond: number;
}

/**
 * Photos sent to a thread at once: enough to make the way there short, few enough to spread them
 * evenly.
 */
const most = 4;

/**
 * The work on sources, in their order, in pieces for {@link inOrder}. Stops at the next piece once
 * the signal is aborted.
 */
export async function* batches(
  sources: Iterable<Source>,
  log: Log,
  pool: Pool,
  video: VideoOptions,
  signal?: AbortSignal,
): AsyncGenerator<() => Promise<Batch>> {
  let waiting: Source[] = [];
  const flush = (): (() => Promise<Batch>)[] => {
    const some = waiting;
    waiting = [];
    return some.length === 0 ? [] : [() => alignPhotos(some, pool)];
  };
  for (const source of sources) {
    signal?.throwIfAborted();
    const known = await log.take(source);
    if (known !== undefined) {
      yield* flush();
      yield async () => ({ ...known, sources: 1, reused: true });
    } else if (source.kind === "photo") {
      if (waiting.push(source) === most) yield* flush();
    } else {
      yield* flush();
      yield* alignVideo(source, pool, video, signal);
    }
  }
  yield* flush();
}

async function alignPhotos(sources: readonly Source[], pool: Pool): Promise<Batch> {
  const sizes = sources.map(({ path }) => bytesOf(path));
  const results = await pool.run(sources.map(({ path, stem }) => ({ photo: path, name: path, stem })));
  const lines = results.flatMap((result, at) => linesOf(result, itemAt(sources, at), itemAt(sizes, at), {}));
  return { lines, written: false, sources: sources.length, reused: false };
}

/**
 * The frames of a video, one piece each. An error ends the video there, and is noted with the
 * frames before it.
 */
async function* alignVideo(
  source: Source,
  pool: Pool,
  { ffmpeg, perSecond }: VideoOptions,
  signal?: AbortSignal,
): AsyncGenerator<() => Promise<Batch>> {
  const bytes = bytesOf(source.path);
  if (ffmpeg === undefined) throw new PetalfaceError("PETAL_PROGRAM_MISSING", noFfmpeg(source.path));
  const done = { written: false, reused: false };
  let frame = 0;
  try {
    for await (const photo of videoFrames(ffmpeg, source.path, perSecond)) {
      signal?.throwIfAborted();
      const place = { frame: ++frame, time: rounded((frame - 1) / perSecond, 3) };
      const job: Job = { photo, name: `${source.path}, frame ${frame}`, stem: frameStem(source.stem, frame) };
      yield async () => {
        const result = itemAt(await pool.run([job]), 0);
        return { ...done, lines: linesOf(result, source, bytes, place), sources: 0 };
      };
    }
  } catch (error) {
    if (!(error instanceof PetalfaceError)) throw error;
    const failure = { source: source.id, bytes, error: error.message };
    yield async () => ({ ...done, lines: [failure], sources: 0 });
  }
  yield async () => ({ ...done, lines: [], sources: 1 });
}

/** The note for a video where ffmpeg is missing. */
export const noFfmpeg = (video: string): string =>
  `${video} is a video, and there is no ffmpeg on the PATH; install ffmpeg, or leave videos out with 'videos'`;

/** 0 where a file is missing or not readable; decoding then reports it. */
function bytesOf(path: string): number {
  try {
    return statSync(onDisk(path)).size;
  } catch {
    return 0;
  }
}

function linesOf(
  result: JobResult,
  { id, person }: Source,
  bytes: number,
  place: Pick<FaceRecord, "frame" | "time">,
): Line[] {
  if ("error" in result) return [{ source: id, bytes, error: result.error }];
  return result.crops.map(({ path, ...about }) => ({
    path,
    ...(person !== undefined && { person }),
    source: id,
    bytes,
    ...place,
    ...about,
  }));
}
