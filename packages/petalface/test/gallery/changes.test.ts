import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { describe, expect, test } from "vitest";
import { nearestOthers, openEnrolled, readKnown } from "../../src/gallery/enrolled.ts";
import {
  createGallery,
  type GalleryStore,
  openGallery,
  openGallerySearcher,
  templateRules,
  withChanges,
} from "../../src/gallery/index.ts";
import { normaliseRows } from "../../src/matching/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { lightFace, plainSettings, recordOf, width } from "./fixtures.ts";

const folder = temporaryFolder("petalface-changes-");

/** A gallery of 40 people with 1 to 3 faces. */
async function gallery(name: string): Promise<GalleryStore> {
  const path = join(folder, name);
  await createGallery(path, recordOf(), plainSettings);
  const store = await openGallery(path);
  for (let person = 0; person < 40; person++)
    await store.add(
      `person ${person}`,
      Array.from({ length: 1 + (person % 3) }, (_, face) => lightFace(10 * person + face)),
    );
  return store;
}

/** Rows to look for, sharp and poor. */
function probes() {
  const rows = new Float32Array(12 * width);
  for (let at = 0; at < 12; at++) rows.set(lightFace(1000 + 37 * at).vector, at * width);
  return { rows: normaliseRows(rows, width), alpha: Array.from({ length: 12 }, (_, at) => (at % 4) / 3) };
}

describe("a searcher with the faces that were added since it was opened", () => {
  test.each(templateRules)("answers as one that is opened again: %s", async (rule) => {
    await using store = await gallery(`${rule}.db`);
    await using base = await openGallerySearcher(store, rule, { threads: 1 });
    // Faces of people who are there already, and a new person who is nearest to the first probe.
    await store.add("person 3", [lightFace(1000), lightFace(901)]);
    await store.add("person 7", [lightFace(902)]);
    await store.add("somebody new", [lightFace(1037), lightFace(1000 + 37 * 5)]);
    const names = ["person 3", "person 7", "somebody new"];
    const changed = new Set((await store.ids(names)).values());
    expect(changed.size).toBe(3);
    const options = { people: 41, templates: rule, session: { threads: 1 } };
    await using both = await withChanges(base, store, changed, options);
    await using again = await openGallerySearcher(store, rule, { threads: 1 });
    const without = Int32Array.from({ length: 12 }, (_, at) => (at === 2 ? itemAt([...changed], 2) : -1));
    for (const top of [1, 5, 41]) {
      const [one, other] = [
        await both.search({ ...probes(), without }, top),
        await again.search({ ...probes(), without }, top),
      ];
      expect(one.map((list) => list.map(({ person }) => person))).toEqual(
        other.map((list) => list.map(({ person }) => person)),
      );
      one.forEach((list, probe) => {
        list.forEach(({ cosine }, at) => {
          expect(cosine).toBeCloseTo(itemAt(itemAt(other, probe), at).cosine, 6);
        });
      });
    }
    expect([both.people, both.faces]).toEqual([again.people, again.faces]);
  });

  test("samples those who were there and those who were added", async () => {
    await using store = await gallery("sampled.db");
    await using base = await openGallerySearcher(store, "mean", { threads: 1 });
    await store.add("somebody new", [lightFace(1037), lightFace(1038)]);
    await store.add("person 4", [lightFace(1039)]);
    const changed = new Set((await store.ids(["somebody new", "person 4"])).values());
    const options = { people: 41, templates: "mean", session: { threads: 1 } } as const;
    await using both = await withChanges(base, store, changed, options);
    const whole = await both.sample(2048);
    const everybody = await store.read({ people: (await store.people()).map(({ id }) => id) });
    expect([...whole.faces].sort()).toEqual([...everybody.faces].sort());
    const some = await both.sample(20);
    expect(some.faces).toHaveLength(20);
    expect(new Set(some.faces).size).toBe(20);
    expect(some.people.some((person) => changed.has(person))).toBe(true);
    expect(some.people.filter((person) => !changed.has(person)).length).toBeGreaterThan(10);
  });
});

test("while faces are enrolled, each is compared with everybody who has not changed", async () => {
  await using store = await gallery("enrolled.db");
  await using state = await openEnrolled(store);
  const { rows } = probes();
  const faces = Array.from({ length: 12 }, (_, at) => ({ unit: rows.subarray(at * width, (at + 1) * width) }));
  await using fresh = await openGallerySearcher(store, "mean", { threads: 1 });
  const alpha = new Array<number>(12).fill(1);
  const everybody = await fresh.search({ rows, alpha }, 40);
  // The nearest six of the first have changed, which is more than are asked for at first.
  const nearest = new Set(
    itemAt(everybody, 0)
      .slice(0, 6)
      .map(({ person }) => person),
  );
  const people = new Map((await store.people()).map(({ id, name }) => [id, name]));
  await readKnown(store, state, [...[...nearest].map((id) => people.get(id) ?? ""), "nobody yet"]);
  const found = await nearestOthers(state, faces);
  found.forEach(([first], probe) => {
    const right = itemAt(everybody, probe).find(({ person }) => !nearest.has(person));
    expect(right).toBeDefined();
    expect(first?.person).toBe(right?.person);
    expect(first?.cosine).toBeCloseTo(right?.cosine ?? Number.NaN, 6);
  });
  // What is known of a person is what the gallery has.
  const known = await readKnown(store, state, ["person 2", "nobody yet"]);
  expect(known.get("person 2")).toMatchObject({ faces: 3, pictures: [{}, {}, {}] });
  expect(known.get("person 2")?.sources.size).toBe(3);
  expect(known.get("nobody yet")).toMatchObject({ id: undefined, faces: 0, pictures: [] });
});

test("faces and ids of some people are those of the whole", async () => {
  await using store = await gallery("some.db");
  const ids = await store.ids(["person 5", "person 1", "nobody"]);
  expect([...ids.keys()].sort()).toEqual(["person 1", "person 5"]);
  const all = await store.faces();
  const wanted = new Set(ids.values());
  expect(await store.faces([...wanted])).toEqual(all.filter(({ person }) => wanted.has(person)));
});
