import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { type FaceData, joinData, openData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { createPeople, findPlace, fingerprintOf, itemsOf, type ProtocolPlaces, range } from "./places.ts";
import type { Protocol } from "./types.ts";

const distances = [1, 2, 3] as const;

/**
 * SCface: frontal mug shots are the gallery; the five visible-light cameras at 4.2 m (d1), 2.6 m
 * (d2) and 1 m (d3) the probes, each distance by itself. Names are the official ones:
 * `001_frontal.jpg`, `001_cam1_1.jpg` (person, camera, distance). Cameras 6 and 7 (infrared) are
 * left out.
 *
 * @throws PetalfaceError where a folder is missing or holds no such names
 */
export async function openScFace({ data: spec, lists: _, ...how }: ProtocolPlaces): Promise<Protocol> {
  const folderOf = (distance: number): string => `surveillance_cameras_distance_${distance}`;
  const mugshots = "mugshot_frontal_cropped_all";
  const root = await findPlace("scface", [spec], [mugshots, ...distances.map(folderOf)]);
  const open = (part: string): Promise<FaceData> => openData(join(root, part), how);
  const parts = [{ name: mugshots, data: await open(mugshots) }];
  for (const distance of distances) parts.push({ name: folderOf(distance), data: await open(folderOf(distance)) });
  const data = joinData(spec, parts);
  const people = createPeople();
  const [gallery, ...probes]: { face: number; person: number }[][] = [[], [], [], []];
  for (let face = 0; face < data.length; face++) {
    const name = data.at(face).id.replace(/^.*\//, "");
    const frontal = /^(\d{3})_frontal\./i.exec(name)?.[1];
    const [, who, distance] = /^(\d{3})_cam[1-5]_([123])\./i.exec(name) ?? [];
    if (frontal !== undefined) gallery?.push({ face, person: people.number(frontal) });
    else if (who !== undefined) probes[Number(distance) - 1]?.push({ face, person: people.number(who) });
  }
  const all = [gallery ?? [], ...probes];
  if (all.some((part) => part.length === 0))
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `${spec} holds no files named 001_frontal.jpg, 001_cam1_1.jpg, ... in each of its folders`,
    );
  const person = Int32Array.from(all.flat(), (entry) => entry.person);
  const faces = Int32Array.from(all.flat(), (entry) => entry.face);
  let start = 0;
  const ranges = all.map((part) => {
    start += part.length;
    return range(start - part.length, part.length);
  });
  return {
    kind: "scface",
    name: "SCface, mug shots against cameras 1 to 5",
    fingerprint: fingerprintOf("scface", data.fingerprint, person, faces),
    ...itemsOf(data, faces),
    person,
    people: people.count,
    comparisons: [],
    searches: distances.map((distance) => ({
      name: `d${distance}`,
      probes: itemAt(ranges, distance),
      gallery: itemAt(ranges, 0),
    })),
    choice: { fars: [], ranks: [1, 5, 10, 20], fpirs: [], fpirRanks: [] },
    fusion: "none",
  };
}
