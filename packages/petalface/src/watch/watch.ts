import { joinTrack, type Track } from "../gallery/index.ts";
import type { Pixels } from "../images/index.ts";
import type { Decided, WatchEvent } from "./events.ts";
import type { Frame } from "./frames.ts";
import { type FollowedFace, follow, type SeenFace, type TrackerRules } from "./tracker.ts";

/** How a camera is watched. */
export interface WatchOptions {
  readonly camera: string;
  readonly rules: TrackerRules;
  /** Frames of a face after which it is decided who it is. */
  readonly enough: number;
  /** Tracks with fewer frames are not reported: false alarms of the detector. */
  readonly least: number;
  /** The faces of a frame. */
  see(pixels: Pixels): Promise<readonly SeenFace[]>;
  /** Says who a face is. */
  decide(track: Track): Promise<Decided>;
  /** Takes every event, one after the other. */
  onEvent(event: WatchEvent): Promise<void> | void;
  /** Called for each frame that was looked at. */
  onFrame?(frame: Frame, faces: number): void;
}

/** What was seen in all. */
export interface WatchSummary {
  readonly frames: number;
  /** Tracks that were long enough. */
  readonly tracks: number;
  readonly matches: number;
}

/** Decisions and events that may wait; beyond, the next frame waits for them. */
const mostWaiting = 256;

/**
 * Follows the faces of frames, and decides once who each is: after `enough` frames that show it, or
 * when it leaves. A second event says that it left. Decisions are made one after the other while
 * frames are read: a gallery or server that answers slowly does not hold up the camera.
 */
export async function watch(frames: AsyncIterable<Frame>, options: WatchOptions): Promise<WatchSummary> {
  const { rules, enough, least, camera } = options;
  let active: readonly FollowedFace[] = [];
  let nextId = 1;
  let [count, matches] = [0, 0];
  const decided = new Map<number, Promise<Decided>>();
  const queue = openQueue();
  const eventOf = (type: WatchEvent["type"], track: FollowedFace, answer: Decided): WatchEvent => ({
    type,
    camera,
    track: track.id,
    first: track.first.time,
    last: track.last.time,
    frames: track.frames,
    box: track.box,
    confidence: track.seen.at(-1)?.confidence ?? 0,
    ...answer,
  });
  const settle = (track: FollowedFace): Promise<Decided> => {
    const known = decided.get(track.id);
    if (known !== undefined) return known;
    const answer = queue.add(async () => {
      const found = await options.decide(await joinTrack(track.seen));
      if (found.decision === "match") matches++;
      await options.onEvent(eventOf("decided", track, found));
      return found;
    });
    decided.set(track.id, answer);
    return answer;
  };
  const leave = (track: FollowedFace): void => {
    if (track.frames < least) return;
    const answer = settle(track);
    queue.add(async () => options.onEvent(eventOf("left", track, await answer)));
  };
  let tracks = 0;
  for await (const frame of frames) {
    count++;
    const faces = await options.see(frame.pixels);
    const step = follow(active, faces, frame, nextId, rules);
    nextId = Math.max(nextId, ...step.active.map(({ id }) => id + 1));
    for (const track of step.shown) if (track.frames >= enough) settle(track);
    for (const track of step.ended) {
      if (track.frames >= least) tracks++;
      leave(track);
      decided.delete(track.id);
    }
    active = step.active;
    options.onFrame?.(frame, faces.length);
    await queue.waitFor(mostWaiting);
  }
  for (const track of active) {
    if (track.frames >= least) tracks++;
    leave(track);
  }
  await queue.waitFor(0);
  return { frames: count, tracks, matches };
}

/** Work that is done in its order while others go on. */
interface Queue {
  /** Adds work. After one that failed no other is begun; all that are left fail with its error. */
  add<T>(work: () => Promise<T>): Promise<T>;
  /** Waits until at most so many are left. Throws what one of them has thrown. */
  waitFor(most: number): Promise<void>;
}

function openQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  let failed: { readonly error: unknown } | undefined;
  const waiting = new Set<Promise<unknown>>();
  return {
    add(work) {
      const done = last.then(() => {
        if (failed !== undefined) throw failed.error;
        return work();
      });
      const ended = done.then(
        () => undefined,
        (error: unknown) => {
          failed ??= { error };
        },
      );
      waiting.add(ended);
      last = ended.then(() => waiting.delete(ended));
      return done;
    },
    async waitFor(most) {
      while (waiting.size > most && failed === undefined) {
        const [first] = waiting;
        await first;
        // It counts as waiting for one turn more.
        await Promise.resolve();
      }
      if (failed !== undefined) throw failed.error;
    },
  };
}
