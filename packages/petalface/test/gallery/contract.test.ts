import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blockFaces, codeFaces, storeBlock } from "../../src/gallery/codes.ts";
import type { FaceCodes, GalleryStore, NewFace } from "../../src/gallery/index.ts";
import { type Backend, backends } from "./backends.ts";
import { contentOf, faceOf, lightFace, plainSettings, recordOf, width } from "./fixtures.ts";

const keyOf = (person: string, { source }: NewFace): string => `${person} ${Buffer.from(source).toString("hex")}`;

type Step =
  | { readonly kind: "add"; readonly person: string; readonly faces: readonly number[] }
  | { readonly kind: "remove"; readonly person: string }
  | { readonly kind: "reopen" };

const personName = fc.constantFrom("Ada", "Bo", "Čeněk", "d'Arc; DROP TABLE people", "");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      person: personName,
      faces: fc.array(fc.nat(9), { maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), person: personName }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);

/** Of all that is in them. */
function digest(codes: FaceCodes): string {
  const { sharp, copies } = storeBlock(codes);
  return createHash("sha256").update(sharp).update(copies).digest("hex");
}

describe.each(backends.map((kind) => [kind.name, kind] as const))("a gallery in %s", (_, kind) => {
  let backend: Backend;
  const openGallery = (place: string): Promise<GalleryStore> => backend.open(place);
  async function newGallery(settings = plainSettings): Promise<string> {
    const place = backend.place();
    await backend.create(place, recordOf(), settings);
    return place;
  }

  beforeAll(async () => {
    if (!kind.absent) backend = await kind.start();
  });
  afterAll(async () => {
    if (!kind.absent) await backend[Symbol.asyncDispose]();
  });

  test.skipIf(kind.absent)(
    "holds what a plain map holds, whatever is added and removed in whatever order",
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
          const path = await newGallery();
          let store = await openGallery(path);
          const plain = new Map<string, NewFace>();
          try {
            for (const each of steps) {
              if (each.kind === "reopen") {
                await store.close();
                store = await openGallery(path);
              } else if (each.kind === "add") {
                const faces = each.faces.map((face) => faceOf(`${each.person} ${face}`));
                const fresh = new Set(faces.map((face) => keyOf(each.person, face)).filter((key) => !plain.has(key)));
                expect(await store.add(each.person, faces)).toBe(fresh.size);
                for (const face of faces) plain.set(keyOf(each.person, face), face);
              } else {
                const own = [...plain.keys()].filter((key) => key.slice(0, -33) === each.person);
                if (own.length === 0) await expect(store.remove(each.person)).rejects.toThrow("has no person called");
                else {
                  const { faces, fragments, found } = await store.remove(each.person);
                  expect([faces, found]).toEqual([own.length, 0]);
                  expect(fragments).toBeGreaterThan(own.length);
                }
                for (const key of own) plain.delete(key);
              }
            }
            const wanted = [...plain].map(([key, { vector, copies }]) => [
              key,
              { vector: [...vector], copies: [...copies] },
            ]);
            expect(await contentOf(store)).toEqual(
              new Map(wanted as [string, { vector: number[]; copies: number[] }][]),
            );
            expect(await store.check()).toEqual([]);
            const people = new Set([...plain.keys()].map((key) => key.slice(0, -33)));
            expect(new Set((await store.people()).map(({ name }) => name))).toEqual(people);
          } finally {
            await store.close();
          }
        }),
        { numRuns: 15 },
      );
    },
  );

  test.skipIf(kind.absent)("is read by two while another one writes", async () => {
    const path = await newGallery();
    await using writer = await openGallery(path);
    await using one = await openGallery(path);
    await using other = await openGallery(path);
    await writer.add("Ada", [faceOf("a")]);
    for (const reader of [one, other]) expect(await reader.people()).toMatchObject([{ name: "Ada", faces: 1 }]);
    await writer.add("Bo", [faceOf("b", 0.25), faceOf("c")]);
    for (const reader of [one, other]) {
      expect((await reader.people()).map(({ name, lowestAlpha }) => [name, lowestAlpha])).toEqual([
        ["Ada", 1],
        ["Bo", 0.25],
      ]);
      expect([await reader.count(), await reader.countPeople()]).toEqual([3, 2]);
    }
  });

  test.skipIf(kind.absent)("gives a person another name, and makes two people one", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    const [a, b, c] = [faceOf("a"), faceOf("b"), faceOf("c")];
    await store.add("Ada", [a, b]);
    await store.add("Bo", [b, c]);
    expect(await store.rename("Ada", "Ada King")).toBe(false);
    expect((await store.people()).map(({ name, faces }) => [name, faces])).toEqual([
      ["Ada King", 2],
      ["Bo", 2],
    ]);
    expect(await store.rename("Bo", "Ada King")).toBe(true);
    // The picture that both had is there once.
    expect((await store.people()).map(({ name, faces }) => [name, faces])).toEqual([["Ada King", 3]]);
    expect((await store.vectors()).vectors).toEqual(Float32Array.from([...a.vector, ...b.vector, ...c.vector]));
    expect(await store.check()).toEqual([]);
    await expect(store.rename("Nobody", "Bo")).rejects.toThrow('has no person called "Nobody"');
  });

  test.skipIf(kind.absent)("counts its changes, and gives the faces behind a given one", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    await using other = await openGallery(path);
    const start = await store.version();
    await other.add("Ada", [faceOf("a"), faceOf("b")]);
    expect(await store.version()).toBe(start + 1);
    await store.add("Ada", [faceOf("a")]);
    expect(await store.version(), "nothing was new").toBe(start + 1);
    const { faces } = await store.vectors();
    await store.add("Bo", [faceOf("c")]);
    const more = await store.vectors(faces.at(-1));
    expect(more.vectors).toEqual(faceOf("c").vector);
    await store.rename("Bo", "Ada");
    await store.removeFaces("Ada", [...more.faces]);
    await store.remove("Ada");
    expect(await other.version()).toBe(start + 5);
  });
  const renewed = (id: number) => ({ id, embedding: faceOf(`renewed ${id}`, 0.5) });

  test.skipIf(kind.absent)(
    "a migration continues where it was, waits for faces enrolled meanwhile, and changes the gallery at once",
    async () => {
      const path = await newGallery();
      const before = await (async () => {
        await using store = await openGallery(path);
        await store.add("Ada", [faceOf("a"), faceOf("b")]);
        await store.add("Bo", [faceOf("c")]);
        const migration = await store.migrate(recordOf("new"));
        expect(await migration.count()).toBe(3);
        const [first] = await migration.missing(0, 1);
        expect(first?.old.vector).toEqual(faceOf("a").vector);
        await migration.put([renewed(1)]);
        // Nothing has changed for those who search.
        expect((await store.record()).space.model).toBe("model");
        return await store.vectors();
      })();
      await using store = await openGallery(path);
      expect(await store.vectors()).toEqual(before);
      const [migration, another] = [await store.migrate(recordOf("new")), await store.migrate(recordOf("new"))];
      expect((await migration.missing(0, 9)).map(({ id }) => id)).toEqual([2, 3]);
      expect(await migration.finish()).toBe(false);
      await migration.put([renewed(2), renewed(3)]);
      await store.add("Cem", [faceOf("d")]);
      expect(await migration.finish()).toBe(false);
      expect(await store.vectors()).toMatchObject({ faces: Int32Array.of(1, 2, 3, 4) });
      await migration.put([renewed(4)]);
      await store.remove("Bo");
      // A face that was removed meanwhile is not there again.
      await migration.put([renewed(3)]);
      const [ada = 0, cem] = (await store.people()).map(({ id }) => id);
      expect(await migration.owners()).toEqual({
        faces: Int32Array.of(1, 2, 4),
        people: Int32Array.of(ada, ada, cem ?? 0),
      });
      const made = await migration.read({ faces: [4, 1, 3] });
      expect([...made.faces]).toEqual([1, 4]);
      expect([...made.vectors]).toEqual([1, 4].flatMap((id) => [...faceOf(`renewed ${id}`).vector]));
      // What is searched before the change.
      const begun = await store.begunMigration();
      const all = await begun?.made.vectors();
      expect(await begun?.made.count()).toBe(3);
      expect((await begun?.made.record())?.space.model).toBe("new");
      expect(all && [...all.faces]).toEqual([1, 2, 4]);
      expect(await begun?.made.read({ faces: [1, 2, 4] })).toEqual(all);
      expect(await begun?.made.codes()).toEqual(all && codeFaces(all));
      expect(await migration.finish()).toBe(true);
      // Another process that shared the work has nothing left to do, and must not spoil it.
      expect([await another.finish(), await migration.finish()]).toEqual([true, true]);
      expect((await store.record()).space.model).toBe("new");
      const { faces, vectors, alpha } = await store.vectors();
      expect([...faces]).toEqual([1, 2, 4]);
      expect([...alpha]).toEqual([0.5, 0.5, 0.5]);
      expect([...vectors]).toEqual([1, 2, 4].flatMap((id) => [...faceOf(`renewed ${id}`).vector]));
      expect(await store.check()).toEqual([]);
      expect((await store.audit()).at(-1)).toMatchObject({ action: "migrate", faces: 3 });
    },
  );

  test.skipIf(kind.absent)("a migration to a third model gives up the one before", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    await store.add("Ada", [faceOf("a")]);
    const given = await store.migrate(recordOf("new"));
    await given.put([renewed(1)]);
    expect(await (await store.migrate(recordOf("third"))).count()).toBe(1);
    await expect(given.finish()).rejects.toThrow("has begun to move to another model meanwhile");
    expect(await (await store.migrate(recordOf("new"))).count()).toBe(1);
  });

  test.skipIf(kind.absent)("keeps faces until their date, then deletes them and people without others", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    const until = (day: string) => ({ keepUntil: `2030-01-${day}T00:00:00.000Z` });
    await store.add("Ada", [{ ...faceOf("a"), ...until("05") }, faceOf("b")]);
    await store.add("Bo", [
      { ...faceOf("c"), ...until("04") },
      { ...faceOf("d"), ...until("09") },
    ]);
    await store.add("Cem", [{ ...faceOf("e"), ...until("04") }]);
    expect((await store.faces()).map(({ keepUntil }) => keepUntil?.slice(8, 10))).toEqual([
      "05",
      undefined,
      "04",
      "09",
      "04",
    ]);
    const version = await store.version();
    expect(await store.forgetExpired("2030-01-04T00:00:00.000Z")).toMatchObject({ faces: 0, people: 0 });
    expect(await store.version(), "nothing was due").toBe(version);
    expect(await store.forgetExpired("2030-01-05T00:00:00.001Z")).toMatchObject({ faces: 3, people: 1, found: 0 });
    expect((await store.people()).map(({ name, faces }) => [name, faces])).toEqual([
      ["Ada", 1],
      ["Bo", 1],
    ]);
    expect((await store.audit()).slice(-3).map(({ action, faces }) => [action, faces])).toEqual([
      ["expire", 1],
      ["expire", 1],
      ["expire", 1],
    ]);
    expect(await store.check()).toEqual([]);
  });

  test.skipIf(kind.absent)("enrols several people as one change, or none of them", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    await store.add("Ada", [faceOf("a")]);
    const added = await store.addAll([
      { person: "Bo", faces: [faceOf("b"), faceOf("c")] },
      { person: "Ada", faces: [faceOf("a"), faceOf("d")] },
      { person: "Cy", faces: [] },
      { person: "Bo", faces: [faceOf("c"), faceOf("e")] },
    ]);
    expect(added).toEqual([2, 1, 0, 1]);
    const content = await contentOf(store);
    const keys = [..."ad"].map((name) => keyOf("Ada", faceOf(name)));
    keys.push(...[..."bce"].map((name) => keyOf("Bo", faceOf(name))));
    expect([...content.keys()].sort()).toEqual(keys.sort());
    // A wrong face among many: nothing is enrolled.
    const wrong = { ...faceOf("x"), vector: new Float32Array(3) };
    const many = [
      { person: "Dee", faces: [faceOf("f")] },
      { person: "Ada", faces: [wrong] },
    ];
    await expect(store.addAll(many)).rejects.toMatchObject({ code: "PETAL_GALLERY_MISMATCH" });
    expect(await contentOf(store)).toEqual(content);
    expect((await store.people()).map(({ name }) => name)).toEqual(["Ada", "Bo"]);
    expect(await store.check()).toEqual([]);
  });

  test.skipIf(kind.absent)("reads faces whose copies are zeros of either sign", async () => {
    await using store = await openGallery(await newGallery());
    await store.add("Ada", [{ ...faceOf("a"), copies: new Float32Array(width).fill(-0) }]);
    expect((await store.vectors()).copies.some((value) => value !== 0)).toBe(false);
    expect(await store.check()).toEqual([]);
  });

  test.skipIf(kind.absent)("reads chosen faces and people, and names", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    await store.add("Ada", [faceOf("a"), faceOf("b")]);
    await store.add("Bo", [faceOf("c")]);
    await store.add("Ada", [faceOf("d")]);
    const [ada, bo] = (await store.people()).map(({ id }) => id) as [number, number];
    const all = await store.vectors();
    expect(await store.read({ faces: all.faces })).toEqual(all);
    const [one, two] = [await store.read({ people: [ada, 999] }), await store.read({ faces: [4, 3, 77] })];
    expect([...one.vectors]).toEqual(["a", "b", "d"].flatMap((name) => [...faceOf(name).vector]));
    expect([...two.copies]).toEqual(["c", "d"].flatMap((name) => [...faceOf(name).copies]));
    expect(await store.names([bo, 999, ada])).toEqual(
      new Map([
        [ada, "Ada"],
        [bo, "Bo"],
      ]),
    );
  });

  if (!kind.slow)
    test.skipIf(kind.absent)("keeps many faces in blocks of 8 bits that follow every change", async () => {
      const path = await newGallery();
      await using store = await openGallery(path);
      const people = 30;
      const each = Math.ceil((2 * blockFaces + 500) / people);
      for (let person = 0; person < people; person++)
        await store.add(
          `p${person}`,
          // All that is left of a person is searched for when it is removed, so that one is small.
          Array.from({ length: person === 3 ? 20 : each }, (_, face) => lightFace(person * each + face)),
        );
      const agrees = async (): Promise<void> => {
        const [codes, vectors] = [await store.codes(), await store.vectors()];
        const wanted = codeFaces(vectors);
        expect([codes.width, codes.stride, codes.count]).toEqual([wanted.width, wanted.stride, wanted.count]);
        expect(digest(codes)).toBe(digest(wanted));
        expect(await store.check()).toEqual([]);
      };
      await agrees();
      await store.remove("p3");
      const first = (await store.vectors()).faces.slice(0, 5);
      expect(await store.removeFaces("p0", [...first])).toMatchObject({ faces: 5 });
      await store.rename("p1", "p2");
      await agrees();
      const migration = await store.migrate(recordOf("new"));
      for (let after = 0; ; ) {
        const faces = await migration.missing(after, 2000);
        after = faces.at(-1)?.id ?? 0;
        if (faces.length === 0) break;
        await migration.put(faces.map(({ id }) => ({ id, embedding: lightFace(-id) })));
      }
      expect(await migration.finish()).toBe(true);
      await agrees();
      // A block that is damaged is seen, and made again of the embeddings.
      await backend.run(path, "UPDATE blocks SET crc = 1 WHERE id = (SELECT min(id) FROM blocks)");
      expect(await store.check()).toEqual([expect.stringContaining("a block of faces is not what was written")]);
      await expect(store.codes()).rejects.toThrow("a block of faces is not what was written");
      await store.compact();
      await agrees();
    });

  test.skipIf(kind.absent)("is not replaced, and says so where it is not there, is none, or is newer", async () => {
    const path = await newGallery();
    await expect(backend.create(path, recordOf(), plainSettings)).rejects.toThrow("is there already");
    await expect(openGallery(backend.place())).rejects.toThrow("does not exist; make it with petalface gallery");
  });

  test.skipIf(kind.absent)("says of an embedding whose bits changed that it is damaged", async () => {
    const path = await newGallery();
    await using store = await openGallery(path);
    await store.add("Ada", [faceOf("a")]);
    await backend.run(path, "UPDATE embeddings SET alpha = 0.5");
    await expect(store.vectors()).rejects.toThrow("the embedding of face 1 is not what was written");
    expect(await store.check()).toEqual(["the embedding of face 1 is not what was written"]);
  });
});
