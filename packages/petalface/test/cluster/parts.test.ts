import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createGalleryParts,
  type GalleryParts,
  openGalleryParts,
  openPartsSearcher,
  partOfPerson,
} from "../../src/cluster/index.ts";
import {
  createGallery,
  type GalleryStore,
  type NewFace,
  openGallery,
  openGallerySearcher,
  type Probes,
} from "../../src/gallery/index.ts";
import { normaliseRows } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";
import { contentOf, facesOfPerson, plainSettings, recordOf, width } from "../gallery/fixtures.ts";
import { findPostgres, needsVector, type PostgresServer, startPostgres } from "../support/postgres.ts";

const absent = findPostgres()?.vector !== true;
const names = Array.from({ length: 40 }, (_, at) => `person ${at}`);
const session = { threads: 1 };
const patient = { rule: "mean", session, indexed: false, whenDown: "error", seconds: 60 } as const;

function probesOf(count: number): Probes {
  const stream = random("probes over servers", 2);
  const values = Float32Array.from({ length: count * width }, () => stream.normal());
  return { rows: normaliseRows(values, width), alpha: Array.from({ length: count }, () => stream.uniform()) };
}

/** Many light faces of a person. */
function manyFaces(name: string, count: number): NewFace[] {
  const stream = random("many faces", name);
  return Array.from({ length: count }, (_, at) => ({
    vector: Float32Array.from({ length: width }, () => stream.normal()),
    copies: Float32Array.from({ length: width }, () => stream.normal()),
    alpha: stream.uniform(),
    score: null,
    source: Buffer.from(`${name} ${at}`.padEnd(16).slice(-16)),
    picture: new Uint8Array(32),
  }));
}

describe.skipIf(absent)(`a gallery over servers of PostgreSQL (${needsVector})`, () => {
  const servers: PostgresServer[] = [];
  beforeAll(async () => {
    if (!absent) servers.push(await startPostgres(), await startPostgres());
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
  });

  /** An address on each server. */
  const places = async (count = 2): Promise<string[]> => {
    const all: string[] = [];
    for (let at = 0; at < count; at++) all.push(`${await servers[at % servers.length].createDatabase()}?gallery=team`);
    return all;
  };
  /** The same people in a gallery on one server and in one on several. */
  async function both(count: number, people: readonly (readonly [string, readonly NewFace[]])[]) {
    const [single] = (await places(1)) as [string];
    await createGallery(single, recordOf(), plainSettings);
    const whole = await openGallery(single);
    const addresses = await places(count);
    await createGalleryParts(addresses, recordOf(), plainSettings);
    const parts = await openGalleryParts(addresses, { whenDown: "error" });
    for (const [name, faces] of people)
      for (const store of [whole, parts]) expect(await store.add(name, faces)).toBe(faces.length);
    return {
      whole,
      parts,
      addresses,
      async [Symbol.asyncDispose]() {
        await whole.close();
        await parts.close();
      },
    };
  }
  const few = names.map((name) => [name, facesOfPerson(name, "model")] as const);

  /** What a search finds, with names in place of ids. */
  async function answersOf(gallery: GalleryStore | GalleryParts, probes: Probes, top: number, rule: "mean" | "best") {
    await using searcher =
      "parts" in gallery
        ? await openPartsSearcher(gallery, { ...patient, rule })
        : await openGallerySearcher(gallery, rule, session);
    const found = await searcher.search(probes, top);
    const names = await gallery.names(found.flat().map(({ person }) => person));
    return {
      kind: searcher.kind,
      faces: searcher.faces,
      people: searcher.people,
      found: found.map((each) => each.map(({ person, cosine }) => ({ name: names.get(person), cosine }))),
    };
  }

  test.each([2, 3])("%i parts hold, list, sample and find what one gallery does", async (count) => {
    await using galleries = await both(count, few);
    const { whole, parts } = galleries;
    expect(await parts.count()).toBe(await whole.count());
    const listed = async (store: GalleryStore | GalleryParts): Promise<unknown> =>
      (await store.people()).map(({ id: _, added: __, ...person }) => person);
    expect(await listed(parts)).toEqual(await listed(whole));
    expect(await parts.check()).toEqual([]);
    // Everybody is where the name says, and nowhere else.
    for (const { at, store } of parts.parts) {
      const here = names.filter((name) => partOfPerson(name, count) === at).sort();
      expect((await store.people()).map(({ name }) => name)).toEqual(here);
    }
    const probes = probesOf(30);
    for (const rule of ["mean", "best"] as const) {
      const [one, several] = [await answersOf(whole, probes, 6, rule), await answersOf(parts, probes, 6, rule)];
      expect(several).toEqual({ ...one, kind: `exact, float32, over ${count} of ${count} servers` });
    }
    // Ids lead to the same faces and names.
    const vectors = await parts.vectors();
    const [people, faces] = [await parts.names(vectors.people), await parts.faces()];
    expect(faces.map(({ id, person }) => [id, person])).toEqual(
      Array.from(vectors.faces, (id, at) => [id, vectors.people[at]]),
    );
    const all = await contentOf(whole);
    expect(vectors.faces.length).toBe(all.size);
    for (const [at, face] of faces.entries()) {
      const key = `${people.get(face.person)} ${Buffer.from(face.source).toString("hex")}`;
      expect([...vectors.vectors.subarray(at * width, (at + 1) * width)]).toEqual(all.get(key)?.vector);
    }
    expect((await parts.vectors(faces[10]?.id)).faces).toEqual(vectors.faces.slice(11));
    const { found, faces: gone } = await parts.remove("person 7");
    expect([gone, found]).toEqual([facesOfPerson("person 7", "model").length, 0]);
    await expect(parts.remove("person 7")).rejects.toThrow("has no person called");
    expect(await parts.forgetExpired("2020-01-01T00:00:00.000Z")).toMatchObject({ faces: 0, people: 0 });
    expect(await parts.audit()).toContainEqual(expect.objectContaining({ action: "remove" }));
  });

  test("gives the bits of one gallery also where embeddings are compared in 8 bits", async () => {
    const people = names.map((name) => [name, manyFaces(name, 30)] as const);
    await using galleries = await both(2, people);
    // Each says to have more faces than are compared in float32.
    const crowded = <S extends Pick<GalleryStore, "count">>(store: S): S => ({ ...store, count: async () => 30_000 });
    const parts: GalleryParts = {
      ...galleries.parts,
      parts: galleries.parts.parts.map((part) => ({ ...part, store: crowded(part.store) })),
    };
    const probes = probesOf(12);
    const one = await answersOf(crowded(galleries.whole), probes, 10, "best");
    expect(one.kind).toBe("exact, 8 bits");
    expect(await answersOf(parts, probes, 10, "best")).toEqual({
      ...one,
      kind: "exact, 8 bits, over 2 of 2 servers",
    });
    await galleries.parts.buildIndex();
    await using indexed = await openPartsSearcher(galleries.parts, { ...patient, rule: "best", indexed: true });
    const found = await indexed.search(probes, 1);
    expect(found.map(([best]) => indexed.names([best?.person ?? -1]).get(best?.person ?? -1))).toEqual(
      one.found.map(([best]) => best?.name),
    );
  });

  test("a server that is down is an error, or named in a partial answer, as asked", async () => {
    await using galleries = await both(2, few);
    const { parts, addresses } = galleries;
    const probes = probesOf(5);
    const [up, down] = parts.parts as [GalleryParts["parts"][number], GalleryParts["parts"][number]];
    const hung: GalleryParts = {
      ...parts,
      parts: [up, { ...down, store: { ...down.store, names: () => new Promise(() => undefined) } }],
    };
    // The other server answers within this time on a busy machine too.
    const limited = { ...patient, seconds: 5 };
    await using strict = await openPartsSearcher(hung, limited);
    await expect(strict.search(probes, 3)).rejects.toThrow(/has not answered within 5 s/);
    await using partial = await openPartsSearcher(hung, { ...limited, whenDown: "partial" });
    const found = await partial.search(probes, 3);
    expect(partial.missing()).toEqual([{ part: down.shown, reason: expect.stringMatching(/within 5 s/) }]);
    const here = names.filter((name) => partOfPerson(name, 2) === up.at);
    for (const { person } of found.flat()) expect(here).toContain(partial.names([person]).get(person));
    // It is not asked again, and its people are not in the answer.
    expect(await partial.search(probes, 3)).toEqual(found);
    expect(partial.missing()).toHaveLength(1);

    const closed = addresses.map((address, at) => (at === 1 ? address.replace(/:\d+\//, ":1/") : address));
    await expect(openGalleryParts(closed, { whenDown: "error" })).rejects.toThrow(/no server of PostgreSQL answers/);
    await using half = await openGalleryParts(closed, { whenDown: "partial" });
    expect(half.missing).toEqual([{ part: expect.stringMatching(/@127\.0\.0\.1:1\//), reason: expect.any(String) }]);
    expect(JSON.stringify(half.missing)).not.toContain(new URL(addresses[0]).password);
    const lost = names.find((name) => partOfPerson(name, 2) === 1) as string;
    await expect(half.remove(lost)).rejects.toThrow("part 2 of 2, where this person belongs, does not answer");
    await expect(openGalleryParts([closed[1]], { whenDown: "partial" })).rejects.toThrow(/none of the 1/);
  });

  test("refuses parts that are not those of one gallery", async () => {
    const [first, second, third, alone] = (await places(4)) as [string, string, string, string];
    await createGalleryParts([first, second], recordOf(), plainSettings);
    const open = (...addresses: string[]) => openGalleryParts(addresses, { whenDown: "error" });
    await expect(openGallery(first)).rejects.toThrow(/is part 1 of 2 of a gallery on several servers/);
    await expect(open(first)).rejects.toThrow("this gallery has 2 parts, and 1 were named");
    await expect(open(first, first)).rejects.toThrow("is named twice");
    await createGallery(alone, recordOf(), plainSettings);
    await expect(open(first, alone)).rejects.toThrow("is a gallery of its own");
    // One that cannot be made leaves none of the others.
    await expect(createGalleryParts([third, second], recordOf(), plainSettings)).rejects.toThrow("is there already");
    await expect(openGallery(third)).rejects.toThrow("does not exist");
    const other = `${third}2`;
    await createGalleryParts([third, other], recordOf(), plainSettings);
    await expect(open(first, other)).rejects.toThrow("are parts of different galleries");
    // The order of the servers does not matter.
    await using turned = await open(second, first);
    expect(turned.parts.map(({ at }) => at)).toEqual([0, 1]);
    const store = await openGallery(second, { parts: "allowed" });
    await (await store.migrate(recordOf("next"))).finish();
    await store.close();
    await expect(open(first, second)).rejects.toThrow("have embeddings of different models");
  });
});
