import { joinTrack } from "petalface/gallery";
import { table } from "../skeleton/page.ts";
import type { Describing, View } from "./describe.ts";
import type { Person } from "./faces.ts";
import { percent, withInterval } from "./interval.ts";
import { enrolled, nearest } from "./search.ts";

const lengths = [1, 3, 9] as const;
const sides = [16, 12] as const;
/** Tracks of one person with different photos, at most. */
const mostTracks = 2;
const longest = 9;

/** What a camera far away does to a face of so many pixels; drawn again for each frame. */
const frameOf = (side: number): string => `blur=0-1,down=${side}:area+bilinear,noise=0-6,jpeg=30-80`;

/** Rank-1 of tracks of several frames among people with one photo each. */
export async function trackTable(
  model: Describing,
  people: readonly Person[],
  copies: readonly number[],
): Promise<string> {
  const faces = await model.describe(
    people.map(({ photos }) => ({ photo: photos[0] as Person["photos"][number] })),
    copies,
  );
  const gallery = enrolled(faces, [...people.keys()], copies.length > 0);
  const many = people.flatMap((person, place) => (person.photos.length > longest ? [{ person, place }] : []));
  const rows: string[][] = [];
  for (const side of sides)
    for (const kind of ["the same photo", "different photos"] as const) {
      const tracks = many.flatMap(({ person, place }) =>
        Array.from({ length: Math.min(mostTracks, Math.floor((person.photos.length - 1) / longest)) }, (_, track) => ({
          place,
          views: Array.from({ length: longest }, (_, frame): View => {
            const at = 1 + track * longest + (kind === "the same photo" ? 0 : frame);
            return { photo: person.photos[at] as Person["photos"][number], degrade: frameOf(side), draw: frame };
          }),
        })),
      );
      const described = await model.describe(
        tracks.flatMap(({ views }) => views),
        [],
      );
      const cells: string[] = [];
      for (const length of lengths) {
        const probes = await Promise.all(
          tracks.map(async (_, track) => {
            const { unit, alpha } = await joinTrack(described.slice(track * longest, track * longest + length));
            return { vector: unit, alpha };
          }),
        );
        const found = await nearest(gallery, "best", probes);
        const hits = new Map<number, boolean[]>();
        tracks.forEach(({ place }, track) => {
          hits.set(place, [...(hits.get(place) ?? []), found[track]?.[0]?.person === place]);
        });
        cells.push(
          percent(
            withInterval([...hits.values()], (chosen) => {
              const all = chosen.flat();
              return all.filter((hit) => hit).length / all.length;
            }),
          ),
        );
      }
      rows.push([`${side} px, ${kind}`, `${tracks.length} of ${many.length} people`, ...cells]);
    }
  return table(
    ["frames of", "tracks", ...lengths.map((length) => `${length} ${length === 1 ? "frame" : "frames"}`)],
    rows,
  );
}
