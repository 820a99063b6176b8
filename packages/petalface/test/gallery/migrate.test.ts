import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { expect, test } from "vitest";
import {
  createGallery,
  type Describer,
  type GalleryStore,
  migrateGallery,
  openGallery,
} from "../../src/gallery/index.ts";
import { type ModelFaces, pairedRanks } from "../../src/gallery/paired.ts";
import type { EnrolledVectors, FaceOwners } from "../../src/gallery/types.ts";
import { normaliseRows, takeRows } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";
import { temporaryFolder } from "../support/folder.ts";
import { faceOf, plainSettings, recordOf, width } from "./fixtures.ts";

const folder = temporaryFolder("petalface-migrate-");
const session = { threads: 1 };

/** Faces that a migration may have in memory at once. */
const atOnce = 2048;

/** A model in memory, and the most faces that were read of it at once. */
function memoryModel(all: EnrolledVectors): ModelFaces & { largest: number } {
  const places = new Map(Array.from(all.faces, (face, row) => [face, row]));
  const model = {
    largest: 0,
    async read(chosen: Parameters<ModelFaces["read"]>[0]) {
      if (!("faces" in chosen)) throw new Error("people are not asked for");
      const rows = Array.from(chosen.faces).map((face) => places.get(face) ?? -1);
      model.largest = Math.max(model.largest, rows.length);
      const take = (data: Float32Array): Float32Array => takeRows(data, width, rows);
      return {
        width,
        faces: Int32Array.from(rows, (row) => itemAt(all.faces, row)),
        people: Int32Array.from(rows, (row) => itemAt(all.people, row)),
        vectors: take(all.vectors),
        copies: take(all.copies),
        alpha: new Float32Array(rows.length),
        score: new Float64Array(rows.length),
      };
    },
  };
  return model;
}

/** Faces of some people by a model that sees them with some noise. */
function drawn(owners: FaceOwners, noise: number, seed: string): EnrolledVectors {
  const people = new Map<number, number[]>();
  const own = (person: number): number[] => {
    const stream = random("person", person);
    const found = people.get(person) ?? Array.from({ length: width }, () => stream.normal());
    people.set(person, found);
    return found;
  };
  const stream = random("faces", seed);
  const see = (more: number): Float32Array =>
    Float32Array.from(
      Array.from(owners.people).flatMap((person) => own(person).map((value) => value + more * noise * stream.normal())),
    );
  const count = owners.faces.length;
  const [alpha, score] = [new Float32Array(count), new Float64Array(count)];
  return { width, ...owners, vectors: see(1), copies: see(2), alpha, score };
}

/** Which faces find their person first, each compared with every other one. */
function firstOf({ vectors, people }: EnrolledVectors, probes: Float32Array): boolean[] {
  const [units, rows] = [normaliseRows(vectors, width), normaliseRows(probes, width)];
  return Array.from(people, (person, probe) => {
    let [mate, other] = [-2, -2];
    people.forEach((owner, face) => {
      if (face === probe) return;
      let cosine = 0;
      for (let at = 0; at < width; at++) cosine += rows[probe * width + at] * units[face * width + at];
      if (owner === person) mate = Math.max(mate, cosine);
      else other = Math.max(other, cosine);
    });
    return mate > other;
  });
}

/** Owners of `count` faces: two of each person, but for each tenth person, who has one. */
function ownersOf(count: number): FaceOwners {
  const people = new Int32Array(count);
  for (let [at, person] = [0, 1]; at < count; person++) {
    const faces = person % 10 === 0 ? 1 : 2;
    people.fill(person, at, at + faces);
    at += faces;
  }
  return { faces: Int32Array.from({ length: count }, (_, at) => 3 * at + 1), people };
}

test("both models are compared by the same searches, and each of them as all cosines say", async () => {
  const owners = ownersOf(900);
  const [before, after] = [drawn(owners, 0.4, "old"), drawn(owners, 0.3, "new")];
  // Faces whose copies one of the models has not made are not compared by their copies.
  after.copies.fill(0, 0, 100 * width);
  const { sharp, copies } = await pairedRanks({
    before: memoryModel(before),
    after: memoryModel(after),
    owners,
    session,
  });
  const mates = Array.from(owners.people, (person, at) =>
    owners.people.some((other, face) => other === person && face !== at),
  );
  for (const [what, found, first] of [
    ["vectors", sharp, 0],
    ["copies", copies, 100],
  ] as const) {
    const [was, is] = [firstOf(before, before[what]), firstOf(after, after[what])];
    const count = (wanted: (at: number) => boolean): number =>
      mates.filter((has, at) => has && at >= first && wanted(at)).length;
    expect(found, what).toEqual({
      searches: count(() => true),
      searchable: mates.filter(Boolean).length,
      before: count((at) => was[at] === true),
      after: count((at) => is[at] === true),
      gained: count((at) => is[at] === true && was[at] !== true),
      lost: count((at) => is[at] !== true && was[at] === true),
    });
    // The case is not empty: models differ in both directions.
    expect(Math.min(found?.gained ?? 0, found?.lost ?? 0), what).toBeGreaterThan(10);
  }
});

test("of more faces some are drawn, and they are searched for among all, read in parts", async () => {
  const owners = ownersOf(2400);
  const all = drawn(owners, 0.4, "old");
  const [before, after] = [memoryModel(all), memoryModel(all)];
  const task = { before, after, owners, session };
  const { sharp, copies } = await pairedRanks(task);
  const mates = Array.from(owners.people).filter(
    (person, at, people) => people[at - 1] === person || people[at + 1] === person,
  ).length;
  expect([sharp?.searches, sharp?.searchable, copies?.searches]).toEqual([2048, mates, 2048]);
  expect(Math.max(before.largest, after.largest)).toBe(atOnce);
  expect([sharp?.gained, sharp?.lost]).toEqual([0, 0]);
  // Among fewer faces more would be found. So many of 2,273 searches have a standard error of 0.4 %.
  const truth = firstOf(all, all.vectors).filter(
    (first, at) =>
      first && (owners.people[at - 1] === owners.people[at] || owners.people[at + 1] === owners.people[at]),
  ).length;
  expect(Math.abs((sharp?.before ?? 0) / 2048 - truth / mates)).toBeLessThan(0.03);
  expect(await pairedRanks(task)).toEqual({ sharp, copies });
});

test("nobody with two faces, no copies: nothing to compare", async () => {
  const owners = { faces: Int32Array.of(1, 2), people: Int32Array.of(7, 8) };
  const one = memoryModel(drawn(owners, 0.1, "x"));
  expect(await pairedRanks({ before: one, after: one, owners, session })).toEqual({ sharp: null, copies: null });
});

/** A store that counts the most faces that were read at once, also by its migration. */
function counted(store: GalleryStore): { readonly store: GalleryStore; largest: number } {
  const out = { largest: 0, store };
  const seen = <T>(rows: number, value: T): T => {
    out.largest = Math.max(out.largest, rows);
    return value;
  };
  out.store = {
    ...store,
    vectors: async (after) => store.vectors(after).then((found) => seen(found.faces.length, found)),
    read: async (chosen) => store.read(chosen).then((found) => seen(found.faces.length, found)),
    faces: async (people) => store.faces(people).then((found) => seen(found.length, found)),
    async migrate(record) {
      const migration = await store.migrate(record);
      return {
        ...migration,
        missing: async (after, most) => migration.missing(after, most).then((found) => seen(found.length, found)),
        read: async (chosen) => migration.read(chosen).then((found) => seen(found.faces.length, found)),
      };
    },
  };
  return out;
}

test("a move never has more than a few thousand faces in memory, however many there are", async () => {
  const path = join(folder, "many.db");
  await createGallery(path, recordOf(), { ...plainSettings, copies: [] });
  await using store = await openGallery(path);
  const people = Array.from({ length: 3500 }, (_, person) => ({
    person: `p${person}`,
    faces: [0, 1].map((face) => ({ ...faceOf(`${person}/${face}`), crop: undefined })),
  }));
  await store.addAll(people);
  const one = counted(store);
  // Another adapter of the same space: faces of alpha 1 keep their bits, so nothing is embedded.
  const report = await migrateGallery({
    store: one.store,
    record: { ...recordOf(), adapter: "f".repeat(64) },
    describer: { embedder: { batch: 8 } } as Describer,
    loader: { load: () => Promise.reject(new Error("nothing is loaded")) },
    session,
  });
  expect(report).toMatchObject({ faces: 7000, kept: 7000, changed: 0, switched: true });
  expect(report.sharp).toMatchObject({ searches: 2048, searchable: 7000, gained: 0, lost: 0 });
  expect(one.largest).toBe(atOnce);
});
