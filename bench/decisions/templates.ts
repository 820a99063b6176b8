import { templateRules } from "petalface/gallery";
import { table } from "../skeleton/page.ts";
import type { Describing } from "./describe.ts";
import type { Person } from "./faces.ts";
import { enrolled, nearest, rank1 } from "./search.ts";

const enrolledPhotos = 3;
const mostProbes = 3;
const sides = [undefined, 16, 12, 8] as const;

/**
 * Rank-1 by how the photos of a person become one template, with and without low-resolution copies.
 */
export async function templateTable(
  model: Describing,
  people: readonly Person[],
  copies: readonly number[],
): Promise<string> {
  type Photo = Person["photos"][number];
  const many = people.flatMap((person, place) => (person.photos.length > enrolledPhotos ? [{ person, place }] : []));
  const rows: string[][] = [];
  const views = (poor: number) =>
    people.flatMap(({ photos }, place) =>
      photos.slice(0, photos.length > enrolledPhotos ? enrolledPhotos : 1).map((photo, at) => ({
        place,
        view: { photo, ...(at < poor && photos.length > enrolledPhotos && { degrade: "lr:16" }) },
      })),
    );
  const probesOf = many.flatMap(({ person, place }) =>
    person.photos.slice(enrolledPhotos, enrolledPhotos + mostProbes).map((photo: Photo) => ({ place, photo })),
  );
  for (const [name, poor] of [
    ["3 sharp photos", 0],
    ["2 sharp, 1 of 16 px", 1],
  ] as const) {
    const faces = views(poor);
    const described = await model.describe(
      faces.map(({ view }) => view),
      copies,
    );
    const owners = faces.map(({ place }) => place);
    for (const withCopies of [false, true])
      for (const rule of templateRules) {
        const gallery = enrolled(described, owners, withCopies);
        const cells: string[] = [];
        for (const side of sides) {
          const probes = await model.describe(
            probesOf.map(({ photo }) => ({ photo, ...(side !== undefined && { degrade: `lr:${side}` }) })),
            [],
          );
          const found = await nearest(gallery, rule, probes);
          cells.push(rank1(probesOf.map(({ place }, at) => ({ place, hit: found[at]?.[0]?.person === place }))));
        }
        rows.push([name, `${rule}${withCopies ? ", copies" : ""}`, ...cells]);
      }
  }
  return `${probesOf.length} searches for ${many.length} people who have more than ${enrolledPhotos} photos, among ${people.length}.

${table(["enrolled", "templates", "sharp", "16 px", "12 px", "8 px"], rows)}`;
}
