import { itemAt } from "onnx-grad";
import {
  type ChosenFaces,
  type EnrolledVectors,
  type Person,
  type Removal,
  vectorsWriter,
} from "../../gallery/index.ts";

/** Turns ids of a part into ids of the whole gallery, and back. */
export interface PartIds {
  /** The gallery's id of what has an id in a part. */
  outside(part: number, id: number): number;
  /** The part's ids of those ids of the gallery that are in it. */
  inPart(part: number, ids: ArrayLike<number>): number[];
  chosenIn(part: number, chosen: ChosenFaces): ChosenFaces;
  ofPeople(part: number, people: readonly Person[]): Person[];
  ofVectors(part: number, vectors: EnrolledVectors): EnrolledVectors;
}

/** The ids of a gallery of so many parts. */
export function partIds(of: number): PartIds {
  const outside = (part: number, id: number): number => id * of + part;
  const inPart = (part: number, ids: ArrayLike<number>): number[] =>
    Array.from(ids).flatMap((id) => (id % of === part ? [(id - part) / of] : []));
  return {
    outside,
    inPart,
    chosenIn: (part, chosen) =>
      "faces" in chosen ? { faces: inPart(part, chosen.faces) } : { people: inPart(part, chosen.people) },
    ofPeople: (part, people) => people.map((person) => ({ ...person, id: outside(part, person.id) })),
    ofVectors: (part, vectors) => ({
      ...vectors,
      faces: vectors.faces.map((id) => outside(part, id)),
      people: vectors.people.map((id) => outside(part, id)),
    }),
  };
}

/** People of all parts by name, as the list of one part is. */
export const joinPeople = (all: readonly (readonly Person[])[]): Person[] =>
  all.flat().toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));

/** What several parts deleted, as one. */
export const joinRemovals = (all: readonly Removal[]): Removal => ({
  faces: sumOf(all, ({ faces }) => faces),
  people: sumOf(all, ({ people }) => people),
  fragments: sumOf(all, ({ fragments }) => fragments),
  found: sumOf(all, ({ found }) => found),
});

const sumOf = (all: readonly Removal[], number: (removal: Removal) => number): number =>
  all.reduce((sum, removal) => sum + number(removal), 0);

/** Embeddings of several parts in the order of the gallery's ids. */
export function joinVectors(all: readonly EnrolledVectors[]): EnrolledVectors {
  const width = all[0]?.width ?? 0;
  const order = all
    .flatMap((part) => Array.from(part.faces, (id, row) => ({ id, part, row })))
    .sort((a, b) => a.id - b.id);
  const writer = vectorsWriter(width, order.length);
  for (const { id, part, row } of order) {
    const rowOf = (rows: Float32Array): Float32Array => rows.subarray(row * width, (row + 1) * width);
    const [vector, copies] = [rowOf(part.vectors), rowOf(part.copies)];
    const [alpha, score] = [itemAt(part.alpha, row), itemAt(part.score, row)];
    writer.put(id, itemAt(part.people, row), { vector, copies, alpha, score });
  }
  return writer.finish();
}
