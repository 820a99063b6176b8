import { itemAt } from "onnx-grad";
import { type Candidate, type FaceEmbedding, joinTrack, type PersonSearcher } from "petalface/gallery";
import { addScaled, normaliseRows } from "petalface/matching";
import { dot, joinRows } from "../skeleton/linear.ts";
import { table } from "../skeleton/page.ts";
import { mean, spread } from "../skeleton/statistics.ts";
import type { Describing, View } from "./describe.ts";
import type { Person } from "./faces.ts";
import { enrolFirst, openPeople, rank1 } from "./search.ts";

const lengths = [1, 3, 9] as const;
const sides = [16, 12] as const;
/** Tracks of one person with different photos, at most. */
const mostTracks = 2;
const longest = 9;

/** What a camera far away does to a face of so many pixels; drawn again for each frame. */
export const frameOf = (side: number): string => `blur=0-1,down=${side}:area+bilinear,noise=0-6,jpeg=30-80`;

type Frames = readonly FaceEmbedding[];

/** A way to say who several frames show: the number of the person. */
type Rule = (searcher: PersonSearcher, frames: Frames) => Promise<number | undefined>;

const first = ([candidates]: readonly (readonly Candidate[])[]): number | undefined => candidates?.[0]?.person;

/** Frames as one probe. */
const asOne =
  (join: (frames: Frames) => { readonly vector: Float32Array; readonly alpha: number }): Rule =>
  async (searcher, frames) => {
    const { vector, alpha } = join(frames);
    return first(await searcher.search({ rows: normaliseRows(vector, vector.length), alpha: [alpha] }, 1));
  };

function sumOf(frames: Frames, of: (frame: FaceEmbedding) => Float32Array): Float32Array {
  const sum = new Float32Array(frames[0]?.vector.length ?? 0);
  for (const frame of frames) addScaled(sum, of(frame));
  return sum;
}

/** Cosines with everybody, put together over the frames. */
const byScores =
  (join: (before: number, cosine: number) => number): Rule =>
  async (searcher, frames) => {
    const rows = joinRows(frames.map(({ vector }) => normaliseRows(vector, vector.length)));
    const found = await searcher.search({ rows, alpha: frames.map(({ alpha }) => alpha) }, searcher.people);
    const scores = new Map<number, number>();
    for (const candidates of found)
      for (const { person, cosine } of candidates) scores.set(person, join(scores.get(person) ?? -1, cosine));
    return [...scores].sort(([, one], [, other]) => other - one)[0]?.[0];
  };

/** Ways to put frames together; `gallery search --track` uses the first. */
const rules: Readonly<Record<string, Rule>> = {
  "as in search": async (searcher, frames) => {
    const { unit, alpha } = await joinTrack(frames);
    return first(await searcher.search({ rows: unit, alpha: [alpha] }, 1));
  },
  "sharpest frame": asOne((frames) => frames.reduce((best, frame) => (frame.alpha > best.alpha ? frame : best))),
  "mean of units": asOne((frames) => ({
    vector: sumOf(frames, ({ vector }) => normaliseRows(vector, vector.length)),
    alpha: mean(frames.map(({ alpha }) => alpha)),
  })),
  "mean of embeddings": asOne((frames) => ({
    vector: sumOf(frames, ({ vector }) => vector),
    alpha: mean(frames.map(({ alpha }) => alpha)),
  })),
  "mean of cosines": byScores((before, cosine) => before + 1 + cosine),
  "highest cosine": byScores(Math.max),
};

/** Tracks of one kind, at most; evenly over the people. */
const mostOfAll = 160;

/** Tracks of people: frames of one photo, or each of another photo. */
function tracksOf(people: readonly Person[], kind: "the same photo" | "different photos", side: number) {
  const needed = kind === "the same photo" ? 1 : longest;
  const all = people.flatMap((person, place) =>
    Array.from({ length: Math.min(mostTracks, Math.floor((person.photos.length - 1) / needed)) }, (_, track) => ({
      place,
      views: Array.from({ length: longest }, (_, frame): View => {
        const at = 1 + track * needed + (kind === "the same photo" ? 0 : frame);
        return { photo: person.photos[at], degrade: frameOf(side), draw: frame };
      }),
    })),
  );
  return spread(Math.min(mostOfAll, all.length), all.length).map((at) => itemAt(all, at));
}

/** Cosine of two embeddings. */
const cosineOf = (one: Float32Array, other: Float32Array): number =>
  dot(normaliseRows(one, one.length), normaliseRows(other, other.length));

/** Rank-1 of tracks of several frames among people with one photo each. */
export async function trackTable(
  model: Describing,
  people: readonly Person[],
  copies: readonly number[],
): Promise<string> {
  await using searcher = openPeople(await enrolFirst(model, people, copies), "mean");
  const rows: string[][] = [];
  const alike: string[][] = [];
  for (const side of sides)
    for (const kind of ["the same photo", "different photos"] as const) {
      const tracks = tracksOf(people, kind, side);
      const views = tracks.flatMap((track) => track.views);
      const described = await model.describe(views, []);
      const sharp = await model.describe(
        views.map(({ photo }) => ({ photo })),
        [],
      );
      const framesOf = (track: number, length: number): Frames =>
        described.slice(track * longest, track * longest + length);
      for (const [name, rule] of Object.entries(rules)) {
        const cells: string[] = [];
        for (const length of lengths) {
          const searches: { place: number; hit: boolean }[] = [];
          for (const [track, { place }] of tracks.entries())
            searches.push({ place, hit: (await rule(searcher, framesOf(track, length))) === place });
          cells.push(rank1(searches));
        }
        rows.push([`${side} px, ${kind} (${tracks.length})`, name, ...cells]);
      }
      alike.push([`${side} px, ${kind}`, ...likeness(described, sharp, tracks.length)]);
    }
  return `${table(
    [
      "frames of (tracks)",
      "put together by",
      ...lengths.map((length) => `${length} ${length === 1 ? "frame" : "frames"}`),
    ],
    rows,
  )}

Why frames help or not. An error is what a frame's unit embedding differs by from that of its photo, undegraded:

${table(["frames of", "errors of two frames of a track", "errors of two people", "two frames of a track", "frames of two people"], alike)}`;
}

/** Mean cosines between frames, and between their errors, within tracks and between people. */
function likeness(described: Frames, sharp: Frames, tracks: number): string[] {
  const errors = described.map(({ vector }, at) => {
    const error = normaliseRows(vector, vector.length);
    addScaled(error, normaliseRows(sharp[at]?.vector ?? vector, vector.length), -1);
    return error;
  });
  const units = described.map(({ vector }) => vector);
  const meanCosine = (of: readonly Float32Array[], pairs: number, apart: number): number =>
    mean(Array.from({ length: pairs }, (_, track) => cosineOf(of[track * longest], of[track * longest + apart])));
  const within = (of: readonly Float32Array[]) => meanCosine(of, tracks, 1);
  const between = (of: readonly Float32Array[]) => meanCosine(of, tracks - 2, 2 * longest);
  return [within(errors), between(errors), within(units), between(units)].map((value) => value.toFixed(2));
}
