import { joinTrack, type Track } from "../gallery/index.ts";
import type { Decided, WatchEvent } from "./events.ts";
import type { Frame } from "./frames.ts";
import { type Eyes, seeFaces } from "./see.ts";
import { type FollowedFace, follow, type TrackerRules } from "./tracker.ts";

/** How a camera is watched. */
export interface WatchOptions {
  readonly camera: string;
  readonly rules: TrackerRules;
  /** Frames of a face after which it is decided who it is. */
  readonly enough: number;
  /** Tracks with fewer frames are not reported: false alarms of the detector. */
  readonly least: number;
  /** Says who a face is. */
  decide(track: Track): Promise<Decided>;
  /** Takes every event; the next frame waits for it. */
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

/**
 * Follows the faces of frames, and decides once who each is: after `enough` frames that show it, or
 * when it leaves. A second event says that it left.
 */
export async function watch(frames: AsyncIterable<Frame>, eyes: Eyes, options: WatchOptions): Promise<WatchSummary> {
  const { rules, enough, least, camera } = options;
  let active: readonly FollowedFace[] = [];
  let nextId = 1;
  let [count, matches] = [0, 0];
  const decided = new Map<number, Decided>();
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
  const settle = async (track: FollowedFace): Promise<Decided> => {
    const known = decided.get(track.id);
    if (known !== undefined) return known;
    const answer = await options.decide(await joinTrack(track.seen));
    decided.set(track.id, answer);
    if (answer.decision === "match") matches++;
    await options.onEvent(eventOf("decided", track, answer));
    return answer;
  };
  const leave = async (track: FollowedFace): Promise<void> => {
    if (track.frames < least) return;
    const answer = await settle(track);
    await options.onEvent(eventOf("left", track, answer));
  };
  let tracks = 0;
  for await (const frame of frames) {
    count++;
    const faces = await seeFaces(frame.pixels, eyes);
    const step = follow(active, faces, frame, nextId, rules);
    nextId = Math.max(nextId, ...step.active.map(({ id }) => id + 1));
    for (const track of step.shown) if (track.frames >= enough) await settle(track);
    for (const track of step.ended) {
      if (track.frames >= least) tracks++;
      await leave(track);
      decided.delete(track.id);
    }
    active = step.active;
    options.onFrame?.(frame, faces.length);
  }
  for (const track of active) {
    if (track.frames >= least) tracks++;
    await leave(track);
  }
  return { frames: count, tracks, matches };
}
