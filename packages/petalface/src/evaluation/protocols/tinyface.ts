import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { type FaceData, joinData, openData, readTinyFaceList } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import {
  createPeople,
  exists,
  findPlace,
  fingerprintOf,
  itemsOf,
  leadingNumber,
  type ProtocolPlaces,
  range,
  stemOf,
} from "./places.ts";
import type { Protocol } from "./types.ts";

const parts = { probe: "Probe", gallery: "Gallery_Match", distractors: "Gallery_Distractor" } as const;

/**
 * TinyFace's identification: probes against mates and distractors, ranks 1, 5, 10 and 20. Files are
 * those of the folders, as in the reference evaluator; who is on them the official lists say where
 * they are given, and the digits before the first `_` of the name otherwise (both agree). Probes
 * without a mate are left out. The mirror image's embedding is added to the face's.
 *
 * @throws PetalfaceError where a folder is missing, or the person on a face is unknown
 */
export async function openTinyFace({ data: spec, lists, ...how }: ProtocolPlaces): Promise<Protocol> {
  const root = await findPlace("tinyface", [spec, join(spec, "Testing_Set")], Object.values(parts));
  const open = (part: string): Promise<FaceData> => openData(join(root, part), how);
  const [probe, gallery, distractors] = [
    await open(parts.probe),
    await open(parts.gallery),
    await open(parts.distractors),
  ];
  const from = lists ?? root;
  const probeIds = await readIds(join(from, "probe_img_ID_pairs.mat"), lists !== undefined);
  const galleryIds = await readIds(join(from, "gallery_match_img_ID_pairs.mat"), lists !== undefined);
  const people = createPeople();
  const personOf =
    (data: FaceData, ids: ReadonlyMap<string, number> | undefined) =>
    (at: number): number => {
      const { id } = data.at(at);
      const who = ids === undefined ? leadingNumber(id) : ids.get(stemOf(id));
      if (who === undefined)
        throw new PetalfaceError(
          "PETAL_DATA_UNFIT",
          `${data.spec}: the person on ${id} is unknown; ${ids === undefined ? "names begin with a number and _" : "the list does not name it"}`,
        );
      return people.number(who);
    };
  const galleryPeople = Int32Array.from({ length: gallery.length }, (_, at) => personOf(gallery, galleryIds)(at));
  const enrolled = new Set(galleryPeople);
  const probePeople = Int32Array.from({ length: probe.length }, (_, at) => personOf(probe, probeIds)(at));
  const mated = range(0, probe.length).filter((at) => enrolled.has(itemAt(probePeople, at)));
  if (mated.length === 0)
    throw new PetalfaceError("PETAL_DATA_UNFIT", `${spec}: no probe has a mate in ${parts.gallery}`);

  const data = joinData(spec, [
    { name: parts.probe, data: probe },
    { name: parts.gallery, data: gallery },
    { name: parts.distractors, data: distractors },
  ]);
  const enrolledCount = gallery.length + distractors.length;
  const faces = Int32Array.from([...mated, ...range(probe.length, enrolledCount)]);
  const person = Int32Array.from([
    ...mated.map((at) => itemAt(probePeople, at)),
    ...galleryPeople,
    ...new Int32Array(distractors.length).fill(-1),
  ]);
  return {
    kind: "tinyface",
    name: `TinyFace, ${distractors.length.toLocaleString("en")} distractors`,
    fingerprint: fingerprintOf("tinyface", data.fingerprint, person),
    ...itemsOf(data, faces),
    person,
    people: people.count,
    comparisons: [],
    searches: [{ name: "1:N", probes: range(0, mated.length), gallery: range(mated.length, enrolledCount) }],
    choice: { fars: [], ranks: [1, 5, 10, 20], fpirs: [], fpirRanks: [] },
    fusion: "sum",
  };
}

/** Ids by the stem of the file's name; undefined where there is no list and none has to be. */
async function readIds(path: string, demanded: boolean): Promise<ReadonlyMap<string, number> | undefined> {
  if (!demanded && !(await exists(path))) return undefined;
  return new Map((await readTinyFaceList(path)).map(({ name, person }) => [stemOf(name), person]));
}
