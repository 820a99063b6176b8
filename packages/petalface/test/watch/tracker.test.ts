import { describe, expect, it } from "vitest";
import type { Box } from "../../src/faces/index.ts";
import { type FollowedFace, follow, type SeenFace, trackerRules } from "../../src/watch/index.ts";

const width = 8;

/** A face of a person: the person's own direction, and a little of another one. */
function face(person: number, [x, y]: readonly [number, number], alpha = 1, side = 40): SeenFace {
  const vector = new Float32Array(width);
  vector[person] = 1;
  vector[(person + 3) % width] = 0.3;
  const length = Math.hypot(...vector);
  const box: Box = [x, y, x + side, y + side];
  const points = [
    [x, y],
    [x, y],
    [x, y],
    [x, y],
    [x, y],
  ] as const;
  const unit = vector.map((value) => value / length);
  return { box, points, confidence: 0.9, unit, vector, copies: new Float32Array(width), alpha, score: null };
}

/** Follows frames of faces; the person of each track, by its first frame, and what ended. */
function run(frames: readonly (readonly SeenFace[])[]) {
  let active: readonly FollowedFace[] = [];
  let nextId = 1;
  const ended: FollowedFace[] = [];
  for (const [number, faces] of frames.entries()) {
    const step = follow(active, faces, { number, time: number / 5 }, nextId);
    active = step.active;
    ended.push(...step.ended);
    nextId = Math.max(nextId, ...active.map(({ id }) => id + 1));
  }
  return { active, ended, all: [...ended, ...active].sort((a, b) => a.id - b.id) };
}

const personOf = ({ seen }: FollowedFace): number[] => [
  ...new Set(seen.map(({ unit }) => unit.indexOf(Math.max(...unit)))),
];

describe("follow", () => {
  it("gives one track to a face that moves on, and another to a face elsewhere", () => {
    const frames = Array.from({ length: 12 }, (_, t) => [face(0, [10 + 8 * t, 20]), face(1, [300 - 8 * t, 24])]);
    const { active } = run(frames);
    expect(active.map(personOf)).toEqual([[0], [1]]);
    expect(active.map((track) => [track.id, track.frames, track.first.number, track.last.number])).toEqual([
      [1, 12, 0, 11],
      [2, 12, 0, 11],
    ]);
  });

  it("keeps two people apart who pass each other: boxes overlap, embeddings do not", () => {
    const frames = Array.from({ length: 21 }, (_, t) => [face(1, [200 - 10 * t, 22]), face(0, [10 * t, 20])]);
    const { all } = run(frames);
    expect(all).toHaveLength(2);
    expect(all.map(personOf)).toEqual([[1], [0]]);
    expect(all.map(({ frames: count }) => count)).toEqual([21, 21]);
  });

  it("finds a face again by its embedding after frames without it, within reach only", () => {
    const gap: (readonly SeenFace[])[] = [[face(0, [0, 0])], [], [], [face(0, [90, 0])]];
    expect(run(gap).all).toHaveLength(1);
    const far: (readonly SeenFace[])[] = [[face(0, [0, 0])], [face(0, [400, 0])]];
    expect(run(far).all).toHaveLength(2);
    const other: (readonly SeenFace[])[] = [[face(0, [0, 0])], [], [face(1, [50, 0])]];
    expect(run(other).all).toHaveLength(2);
  });

  it("ends a track after the rules' patience, and not before", () => {
    const empty = (count: number) => Array.from({ length: count }, (): SeenFace[] => []);
    expect(run([[face(0, [0, 0])], ...empty(trackerRules.patience)]).ended).toHaveLength(0);
    const { ended, active } = run([[face(0, [0, 0])], ...empty(trackerRules.patience + 1)]);
    expect([ended.length, active.length]).toEqual([1, 0]);
  });

  it("keeps the frames of the best quality", () => {
    const frames = Array.from({ length: 40 }, (_, t) => [face(0, [t, 0], t % 4 === 0 ? 0.9 : 0.1)]);
    const { active } = run(frames);
    const [track] = active;
    expect(track?.frames).toBe(40);
    expect(track?.seen.length).toBe(trackerRules.keep);
    expect(track?.seen.filter(({ alpha }) => alpha === 0.9).length).toBe(10);
  });
});
