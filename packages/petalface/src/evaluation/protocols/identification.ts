import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { type FaceData, joinData, type NamedPart, nameKey, openData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { createPeople, exists, findPlace, fingerprintOf, type ProtocolPlaces, range } from "./places.ts";
import type { Protocol } from "./types.ts";

/**
 * Identification of your own faces: `gallery/PERSON/...`, `probe/PERSON/...` and optionally
 * `distractors/...`. Ranks 1, 5, 10 and 20 of the probes whose person is in the gallery; where
 * others are not, also TPIR at FPIR 30, 20, 10 and 1 %.
 *
 * @throws PetalfaceError where a folder is missing, or the person on a face is unknown
 */
export async function openIdentification({ data: spec, lists: _, ...how }: ProtocolPlaces): Promise<Protocol> {
  const root = await findPlace("identification", [spec], ["gallery", "probe"]);
  const open = (part: string): Promise<FaceData> => openData(join(root, part), how);
  const [probe, gallery] = [await open("probe"), await open("gallery")];
  const distractors = (await exists(join(root, "distractors"))) ? await open("distractors") : undefined;
  const people = createPeople();
  const label = (data: FaceData): Int32Array =>
    Int32Array.from({ length: data.length }, (_, at) => {
      const { id, person } = data.at(at);
      if (person < 0)
        throw new PetalfaceError(
          "PETAL_DATA_UNFIT",
          `${data.spec}: the person on ${id} is unknown; make a folder for each person`,
        );
      return people.number(nameKey(itemAt(data.people, person)));
    });
  const person = Int32Array.from([
    ...label(probe),
    ...label(gallery),
    ...new Int32Array(distractors?.length ?? 0).fill(-1),
  ]);
  const parts: NamedPart[] = [
    { name: "probe", data: probe },
    { name: "gallery", data: gallery },
    ...(distractors === undefined ? [] : [{ name: "distractors", data: distractors }]),
  ];
  const data = joinData(spec, parts);
  return {
    kind: "identification",
    name: `identification, ${data.length - probe.length} enrolled faces`,
    fingerprint: fingerprintOf("identification", data.fingerprint, person),
    data,
    faces: range(0, data.length),
    item: range(0, data.length),
    items: Array.from({ length: data.length }, (_, at) => data.at(at).id),
    person,
    people: people.count,
    comparisons: [],
    searches: [
      { name: "sharp", probes: range(0, probe.length), gallery: range(probe.length, data.length - probe.length) },
    ],
    choice: { fars: [], ranks: [1, 5, 10, 20], fpirs: [0.3, 0.2, 0.1, 0.01], fpirRanks: [1] },
    fusion: "none",
    degradable: "probes",
  };
}
