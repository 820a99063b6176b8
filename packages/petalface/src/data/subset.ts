import { createHash } from "node:crypto";
import { itemAt } from "onnx-grad";
import type { FaceData, Sample } from "./types.ts";

/**
 * Some samples of a set, in their old order or in the order of `choose`. People without a sample
 * left disappear and the others get new numbers, in their old order. The fingerprint follows from
 * the set's and from what was chosen.
 *
 * @param choose sample numbers, or a test of each sample and its person's name (undefined where
 * unknown)
 */
export function subset(
  data: FaceData,
  choose: Iterable<number> | ((sample: Sample, person: string | undefined) => boolean),
): FaceData {
  const chosen = typeof choose === "function" ? select(data, choose) : Int32Array.from(choose);
  const used = new Uint8Array(data.people.length);
  const hash = createHash("sha256").update(`subset of ${data.fingerprint}`);
  for (const index of chosen) {
    const { person, id } = data.at(index);
    if (person >= 0) used[person] = 1;
    hash.update(JSON.stringify(id));
  }
  const people: string[] = [];
  const renumbered = new Int32Array(data.people.length).fill(-1);
  data.people.forEach((name, index) => {
    if (used[index]) renumbered[index] = people.push(name) - 1;
  });
  return {
    spec: data.spec,
    mostLeftOut: data.mostLeftOut,
    length: chosen.length,
    people,
    fingerprint: hash.digest("hex"),
    at(index) {
      const original = chosen[index];
      if (original === undefined) throw new RangeError(`sample ${index} of ${chosen.length}`);
      const sample = data.at(original);
      return { ...sample, person: sample.person < 0 ? -1 : itemAt(renumbered, sample.person) };
    },
  };
}

function select(data: FaceData, test: (sample: Sample, person: string | undefined) => boolean): Int32Array {
  const chosen: number[] = [];
  for (let index = 0; index < data.length; index++) {
    const sample = data.at(index);
    if (test(sample, data.people[sample.person])) chosen.push(index);
  }
  return Int32Array.from(chosen);
}
