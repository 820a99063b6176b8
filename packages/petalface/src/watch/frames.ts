import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PetalfaceError } from "../errors.ts";
import { findFfmpeg, streamFrames, videoFrames } from "../faces/index.ts";
import { decodePhoto, imageExtensions, type Pixels, printPath } from "../images/index.ts";
import type { FrameTime } from "./tracker.ts";

/** One picture of a camera. */
export interface Frame extends FrameTime {
  readonly pixels: Pixels;
}

/** What frames are read from, and how. */
export interface FrameOptions {
  /** A folder of pictures that grows, a video file, or an address such as rtsp://. */
  readonly source: string;
  /** Frames that are taken a second. */
  readonly perSecond: number;
  /** Only what is there already: a folder's pictures, or a stream until it breaks off. */
  readonly once: boolean;
  readonly signal: AbortSignal;
  /** Takes one line on what goes wrong and is passed over. */
  readonly note: (line: string) => void;
}

/** Milliseconds between two looks into a folder, and before a broken stream is opened again. */
const pauses = { folder: 200, stream: 5000 };
/** A picture that cannot be read may still be written: this many milliseconds it is tried again. */
const unfinished = 3000;

/** Whether a source is an address that ffmpeg opens. */
export const isAddress = (source: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(source);

/** An address without user name and password. */
export const shownSource = (source: string): string =>
  isAddress(source) ? source.replace(/\/\/[^/@]*@/, "//") : printPath(source);

/**
 * The frames of a source, one after another. Of a live source those that come while the caller is
 * busy are left out, so that what it sees is now.
 *
 * @throws PetalfaceError where the source cannot be read at all
 */
export async function* framesOf(options: FrameOptions): AsyncGenerator<Frame> {
  const { source, perSecond, signal } = options;
  const isFolder = !isAddress(source) && (await statOf(source)).isDirectory();
  if (isFolder) {
    yield* folderFrames(options);
    return;
  }
  const ffmpeg = findFfmpeg();
  if (ffmpeg === undefined)
    throw new PetalfaceError(
      "PETAL_PROGRAM_MISSING",
      `${shownSource(source)} needs ffmpeg, and there is none on the PATH; install ffmpeg`,
    );
  if (isAddress(source)) {
    yield* cameraFrames(ffmpeg, options);
    return;
  }
  let number = 0;
  for await (const pixels of videoFrames(ffmpeg, source, perSecond)) {
    signal.throwIfAborted();
    yield { pixels, number, time: number++ / perSecond };
  }
}

async function statOf(source: string) {
  try {
    return await stat(source);
  } catch (cause) {
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `${printPath(source)}: no such file or folder; give a folder of frames, a video, or an address such as rtsp://...`,
      { cause },
    );
  }
}

/** Pictures of a folder in the order of their names, then those that are added. */
async function* folderFrames({ source, perSecond, once, signal, note }: FrameOptions): AsyncGenerator<Frame> {
  const done = new Set<string>();
  const failed = new Map<string, number>();
  let number = 0;
  while (!signal.aborted) {
    const present = await readdir(source);
    // Cameras delete old pictures; their names are not kept either.
    const there = new Set(present);
    for (const name of [...done, ...failed.keys()])
      if (!there.has(name)) {
        done.delete(name);
        failed.delete(name);
      }
    const names = present
      .filter((name) => !done.has(name) && !name.startsWith(".") && imageExtensions.has(extname(name).toLowerCase()))
      .sort();
    for (const name of names) {
      if (signal.aborted) return;
      const path = join(source, name);
      const photo = await decodePhoto(path).catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      );
      if (photo instanceof Error) {
        const since = failed.get(name) ?? Date.now();
        failed.set(name, since);
        if (!once && Date.now() - since < unfinished) continue;
        note(photo.message);
        done.add(name);
        continue;
      }
      failed.delete(name);
      done.add(name);
      yield { pixels: photo.pixels, number, time: number++ / perSecond };
    }
    if (once) return;
    await sleep(pauses.folder, undefined, { signal }).catch(() => undefined);
  }
}

/** The newest frame of a camera each time; a stream that breaks off is opened again. */
async function* cameraFrames(ffmpeg: string, options: FrameOptions): AsyncGenerator<Frame> {
  const { source, perSecond, once, signal, note } = options;
  const begin = performance.now();
  const seconds = (): number => (performance.now() - begin) / 1000;
  while (!signal.aborted) {
    try {
      for await (const pixels of newest(streamFrames(ffmpeg, source, shownSource(source), perSecond), signal)) {
        const time = seconds();
        yield { pixels, number: Math.round(time * perSecond), time };
      }
      if (once) return;
      note(`${shownSource(source)}: the stream ended; it is opened again`);
    } catch (error) {
      if (once || !(error instanceof PetalfaceError)) throw error;
      note(`${error.message}; it is opened again in ${pauses.stream / 1000} s`);
    }
    await sleep(pauses.stream, undefined, { signal }).catch(() => undefined);
  }
}

/** Of the items that come between two requests only the last one. */
export async function* newest<T>(items: AsyncGenerator<T>, signal: AbortSignal): AsyncGenerator<T> {
  let latest: { readonly item: T } | undefined;
  let end: { readonly error?: unknown } | undefined;
  let wake = (): void => {};
  const reading = (async () => {
    try {
      for await (const item of items) {
        latest = { item };
        wake();
        if (signal.aborted) break;
      }
      end = {};
    } catch (error) {
      end = { error };
    }
    wake();
  })();
  const stop = (): void => wake();
  signal.addEventListener("abort", stop);
  try {
    while (!signal.aborted) {
      const now: { readonly item: T } | undefined = latest;
      if (now !== undefined) {
        latest = undefined;
        yield now.item;
        continue;
      }
      const over: { readonly error?: unknown } | undefined = end;
      if (over !== undefined) {
        if ("error" in over) throw over.error;
        return;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    signal.removeEventListener("abort", stop);
    await items.return(undefined).catch(() => undefined);
    await reading.catch(() => undefined);
  }
}
