import { itemAt } from "onnx-grad";
import { type FaceData, openData } from "../../data/index.ts";
import { openLoader } from "../../images/index.ts";

/** Faces that are decoded to see whether a set is usable. */
const sampled = 16;

/** How many faces the people of a set have. */
export interface FacesPerPerson {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

/** A set of faces, looked at. */
export interface DataSetInspection {
  readonly kind: "data";
  readonly data: FaceData;
  /** null where no person is known. */
  readonly facesPerPerson: FacesPerPerson | null;
  /** Pictures that were decoded. */
  readonly looked: number;
  /** Why some of them are not usable. */
  readonly problems: readonly string[];
}

/** Counts the people of a set, and decodes a few pictures. Throws PetalfaceError. */
export async function inspectDataSet(spec: string, mostLeftOut?: number): Promise<DataSetInspection> {
  const data = await openData(spec, { mostLeftOut });
  const perPerson = new Uint32Array(data.people.length);
  for (let index = 0; index < data.length; index++) {
    const { person } = data.at(index);
    if (person >= 0) perPerson[person] = itemAt(perPerson, person) + 1;
  }
  const [least, ...more] = perPerson.toSorted();
  const sorted = least === undefined ? [] : [least, ...more];
  const facesPerPerson =
    least === undefined
      ? null
      : { least, median: itemAt(sorted, Math.floor(sorted.length / 2)), most: itemAt(sorted, sorted.length - 1) };
  const step = Math.max(1, Math.floor(data.length / sampled));
  const problems: string[] = [];
  let looked = 0;
  await using loader = openLoader({ size: 112, threads: 0 });
  for (let index = 0; index < data.length && looked < sampled; index += step) {
    const { source } = data.at(index);
    if (source.kind === "synthetic") break;
    looked++;
    await loader.load([{ source, flip: false }], (_, error) => problems.push(error.message));
  }
  return { kind: "data", data, facesPerPerson, looked, problems };
}
