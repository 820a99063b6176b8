import { join } from "node:path";
import { type FaceData, joinData, type NamedPart, openData, readMatPairs } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import {
  createPeople,
  exists,
  findPlace,
  fingerprintOf,
  leadingNumber,
  type ProtocolPlaces,
  range,
  stemOf,
} from "./places.ts";
import type { Comparisons, Protocol, Search } from "./types.ts";

const folders = { verification: "Face_Verification_Test_Set", identification: "Face_Identification_Test_Set" } as const;

/**
 * QMUL-SurvFace: verification of the official positive and negative pairs (TAR at FAR 30, 10, 1 and
 * 0.1 %), and open-set identification of mated and unmated probes (TPIR at FPIR 30, 20, 10 and 1 %
 * among the first 20, and at rank 1). Either part may be missing. The digits before the first `_`
 * of a name say who it is.
 *
 * @throws PetalfaceError where both parts are missing, or a name is not in the official form
 */
export async function openSurvFace({ data: spec, lists, ...how }: ProtocolPlaces): Promise<Protocol> {
  const [one, other] = [join(spec, folders.verification), join(spec, folders.identification)];
  const [verifies, identifies] = [await exists(one), await exists(other)];
  if (!verifies && !identifies) await findPlace("survface", [spec], [folders.verification, folders.identification]);
  const parts: NamedPart[] = [];
  const open = async (folder: string, name: string): Promise<FaceData> => {
    const data = await openData(join(folder, name), how);
    parts.push({ name, data });
    return data;
  };
  const images = verifies ? await open(one, "verification_images") : undefined;
  const gallery = identifies ? await open(other, "gallery") : undefined;
  const mated = identifies ? await open(other, "mated_probe") : undefined;
  const unmated = identifies ? await open(other, "unmated_probe") : undefined;
  const data = joinData(spec, parts);
  const people = createPeople();
  const ids = Array.from({ length: data.length }, (_, at) => data.at(at).id);
  const person = Int32Array.from(ids, (id) => {
    const who = leadingNumber(id);
    if (who === undefined)
      throw new PetalfaceError("PETAL_DATA_DAMAGED", `${spec}: ${id} is not named PERSON_CAMERA_NUMBER`);
    return people.number(who);
  });
  const comparisons = images === undefined ? [] : [await readPairs(lists ?? one, images, ids)];
  const searches: Search[] = [];
  if (gallery !== undefined && mated !== undefined && unmated !== undefined) {
    const start = images?.length ?? 0;
    const probes = range(start + gallery.length, mated.length + unmated.length);
    searches.push({ name: "open set", probes, gallery: range(start, gallery.length) });
  }
  return {
    kind: "survface",
    name: "QMUL-SurvFace",
    fingerprint: fingerprintOf(
      "survface",
      data.fingerprint,
      person,
      ...comparisons.flatMap((c) => [c.first, c.second]),
    ),
    data,
    faces: range(0, data.length),
    item: range(0, data.length),
    items: ids,
    person,
    people: people.count,
    comparisons,
    searches,
    choice: { fars: [0.3, 0.1, 0.01, 0.001], ranks: [1, 5, 10, 20], fpirs: [0.3, 0.2, 0.1, 0.01], fpirRanks: [20, 1] },
    fusion: "none",
  };
}

async function readPairs(folder: string, images: FaceData, ids: readonly string[]): Promise<Comparisons> {
  const place = new Map(ids.slice(0, images.length).map((id, at) => [stemOf(id), at]));
  const find = (name: string, list: string): number => {
    const at = place.get(stemOf(name));
    if (at === undefined)
      throw new PetalfaceError("PETAL_DATA_MISSING", `${list} names ${name}, which is not among the images`);
    return at;
  };
  const [first, second, same]: [number[], number[], number[]] = [[], [], []];
  for (const [file, flag] of [
    ["positive_pairs_names.mat", 1],
    ["negative_pairs_names.mat", 0],
  ] as const) {
    const path = join(folder, file);
    for (const [a, b] of await readMatPairs(path)) {
      first.push(find(a, path));
      second.push(find(b, path));
      same.push(flag);
    }
  }
  return { name: "1:1", first: Int32Array.from(first), second: Int32Array.from(second), same: Uint8Array.from(same) };
}
