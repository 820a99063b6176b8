import { type Box, centre, type FivePoints, intersectionOverUnion } from "../faces/index.ts";
import type { FaceEmbedding } from "../gallery/index.ts";

/** A face in one frame. */
export interface SeenFace extends FaceEmbedding {
  readonly box: Box;
  readonly points: FivePoints;
  /** The detector's. */
  readonly confidence: number;
  /** Unit embedding. */
  readonly unit: Float32Array;
}

/** A face that is followed from frame to frame. */
export interface FollowedFace {
  readonly id: number;
  /** Numbers and times in seconds of the first and last frame that show it. */
  readonly first: FrameTime;
  readonly last: FrameTime;
  readonly box: Box;
  /** What it was seen as, oldest first; the best `keep` of them. */
  readonly seen: readonly SeenFace[];
  /** Frames that show it. */
  readonly frames: number;
}

/** Number of a frame, from 0, and its time in seconds. */
export interface FrameTime {
  readonly number: number;
  readonly time: number;
}

/** How faces are followed. */
export interface TrackerRules {
  /** Boxes that share at least this part of their union may be of one face. */
  readonly overlap: number;
  /** Faces further apart may be of one track if the cosine of their embeddings reaches this. */
  readonly cosine: number;
  /** Frames without the face after which its track ends. */
  readonly patience: number;
  /** Embeddings that a track keeps: those of the best quality. */
  readonly keep: number;
}

/** Measured to be right for cameras of 5 frames a second (docs/watch.md). */
export const trackerRules: TrackerRules = { overlap: 0.2, cosine: 0.45, patience: 10, keep: 16 };

/**
 * A pair of boxes that overlap counts as one face unless the embeddings contradict: people who pass
 * each other have boxes that overlap and embeddings that point apart.
 */
const contradiction = 0;
/** A face moves at most so many of its own widths from frame to frame. */
const farthest = 2;

/** What became of the tracks in one frame. */
export interface Step {
  /** Tracks that this frame shows. */
  readonly shown: readonly FollowedFace[];
  /** All tracks that go on. */
  readonly active: readonly FollowedFace[];
  /** Tracks that ended: their face was not seen for longer than the rules' patience. */
  readonly ended: readonly FollowedFace[];
}

/**
 * Assigns the faces of a frame to tracks, each at most once, the surest pair first: by overlap of
 * boxes plus cosine of embeddings. Faces that belong to no track begin one.
 *
 * @param nextId id of the first new track
 */
export function follow(
  active: readonly FollowedFace[],
  faces: readonly SeenFace[],
  at: FrameTime,
  nextId: number,
  rules: TrackerRules = trackerRules,
): Step {
  const pairs = active
    .flatMap((track, t) => faces.map((face, f) => ({ t, f, score: likeness(track, face, at, rules) })))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score);
  const faceOf = new Map<number, number>();
  const taken = new Set<number>();
  for (const { t, f } of pairs) {
    if (faceOf.has(t) || taken.has(f)) continue;
    faceOf.set(t, f);
    taken.add(f);
  }
  const shown: FollowedFace[] = [];
  const waiting: FollowedFace[] = [];
  const ended: FollowedFace[] = [];
  for (const [t, track] of active.entries()) {
    const face = faces[faceOf.get(t) ?? -1];
    if (face !== undefined) shown.push(extended(track, face, at, rules));
    else if (at.number - track.last.number > rules.patience) ended.push(track);
    else waiting.push(track);
  }
  for (const [f, face] of faces.entries())
    if (!taken.has(f)) shown.push({ id: nextId++, first: at, last: at, box: face.box, seen: [face], frames: 1 });
  return { shown, active: [...waiting, ...shown].sort((a, b) => a.id - b.id), ended };
}

function extended(track: FollowedFace, face: SeenFace, at: FrameTime, { keep }: TrackerRules): FollowedFace {
  const seen = [...track.seen, face];
  const least = Math.min(...seen.map(({ alpha }) => alpha));
  if (seen.length > keep)
    seen.splice(
      seen.findIndex(({ alpha }) => alpha === least),
      1,
    );
  return { ...track, last: at, box: face.box, seen, frames: track.frames + 1 };
}

/** How likely a face is that of a track; 0: it is not. */
function likeness(track: FollowedFace, face: SeenFace, at: FrameTime, rules: TrackerRules): number {
  const overlap = intersectionOverUnion(track.box, face.box);
  const cosine = Math.max(...track.seen.map(({ unit }) => dot(unit, face.unit)));
  if (overlap >= rules.overlap) return cosine < contradiction ? 0 : 1 + overlap + cosine;
  if (cosine < rules.cosine) return 0;
  const width = Math.max(track.box[2] - track.box[0], face.box[2] - face.box[0]);
  const [[x, y], [u, v]] = [middle(track.box), middle(face.box)];
  const reach = farthest * width * (at.number - track.last.number);
  return Math.hypot(x - u, y - v) <= reach ? cosine : 0;
}

const middle = ([left, top, right, bottom]: Box) =>
  centre([
    [left, top],
    [right, bottom],
  ]);

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
