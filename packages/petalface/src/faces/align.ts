import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { makeFolder, removeUnfinished, writeFailure } from "../files.ts";
import { printPath } from "../images/index.ts";
import { isLitter } from "../litter.ts";
import { lockRun } from "../lock.ts";
import { batches } from "./batches.ts";
import { inOrder } from "./in-order.ts";
import { files, openLog } from "./log.ts";
import { openPool } from "./pool.ts";
import { type AlignSettings, keepSettings } from "./settings.ts";
import type { Source } from "./sources.ts";
import { type AlignSummary, createSummary } from "./summary.ts";

/** What to align, how, and where to. */
export interface AlignRequest {
  /** Photos and videos in an order that is the same in every run; each once. */
  readonly sources: Iterable<Source>;
  readonly settings: AlignSettings;
  /** Folder for crops and manifest: new, empty, or of an earlier run with the same settings. */
  readonly out: string;
  /** Files of the detector and the landmarks, resolved. */
  readonly detector: string;
  readonly landmarks: string | undefined;
}

/** What surrounds aligning without changing its result. */
export interface AlignContext {
  /** Worker threads; 0: the calling one. */
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of sources that are finished. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Path of the ffmpeg program, for videos. */
  readonly ffmpeg?: string | undefined;
}

/**
 * Finds the faces of photos and videos, puts each on ArcFace's template, and writes the crops and a
 * manifest of them. No photo is dropped: one without a face gives a centred square, marked
 * `aligned: false`; only what cannot be decoded has no crop, and is listed in `unreadable.jsonl`.
 * Continues where an earlier run ended, also one that was killed. The same photos give the same
 * bytes, whatever the threads and interruptions.
 *
 * @throws PetalfaceError where the folder is of something else, cannot be written, or the detector
 * does not open
 */
export async function alignFaces(request: AlignRequest, context: AlignContext): Promise<AlignSummary> {
  const { sources, settings, out, detector, landmarks } = request;
  await using _folder = await prepareFolder(out);
  await using _lock = await lockRun(out);
  await removeUnfinished(out, { all: true });
  await keepSettings(out, settings);
  const { size, all, rule, threshold, format, template } = settings;
  const options = { size, all, rule, threshold: threshold ?? undefined, format, template, out, detector, landmarks };
  await using pool = await openPool(options, context.threads);
  const log = await openLog(out, format);
  const summary = createSummary();
  try {
    const video = { ffmpeg: context.ffmpeg, perSecond: settings.framesPerSecond };
    for await (const batch of inOrder(batches(sources, log, pool, video, context.signal), pool.depth)) {
      if (!batch.written && batch.lines.length > 0) log.add(batch.lines);
      summary.add(batch);
      context.onProgress?.(summary.sources());
    }
    await log.finish();
  } finally {
    log.close();
  }
  return summary.report(join(out, files.manifest));
}

async function prepareFolder(out: string): Promise<AsyncDisposable> {
  try {
    const made = await makeFolder(out);
    const names = (await readdir(out)).filter((name) => !isLitter(name));
    const foreign = names.length > 0 && !names.some((name) => ours.has(name));
    if (foreign)
      throw new PetalfaceError(
        "PETAL_OUTPUT_EXISTS",
        `${printPath(out)} holds something else (such as ${printPath(itemAt(names, 0))}); give a new or empty folder with 'out'`,
      );
    return made;
  } catch (error) {
    throw error instanceof PetalfaceError ? error : writeFailure(out, error);
  }
}

/** What a folder that this program has begun holds. */
const ours: ReadonlySet<string> = new Set(["align.json", "lock.json"]);
