// Scanning threads work on shared memory, so this has a process of its own, as tests with
// child_process do.
import { describe, expect, test } from "vitest";
import { codeFaces, emptyCodes, placeCodes } from "../../src/gallery/codes.ts";
import {
  buildTemplates,
  type EnrolledVectors,
  estimateThresholds,
  type GalleryStore,
  openExactSearcher,
  openSearcher,
  templateRules,
} from "../../src/gallery/index.ts";
import { normaliseRows } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";
import { recordOf } from "./fixtures.ts";

/** No multiple of 16: rows of codes are filled up. */
const width = 40;

/** Drawn people with one to four faces; `spread` is how much faces differ at all. */
function drawn(people: number, spread: number, withCopies: boolean): EnrolledVectors {
  const stream = random("exact", people, spread);
  const base = Array.from({ length: width }, () => stream.normal());
  const owners = Array.from({ length: people }, (_, person) =>
    Array.from({ length: 1 + stream.int(4) }, () => 10 + person),
  ).flat();
  const rows = (make: (face: number, at: number) => number): Float32Array =>
    Float32Array.from({ length: owners.length * width }, (_, at) => make(Math.floor(at / width), at % width));
  return {
    width,
    faces: Int32Array.from(owners.keys()),
    people: Int32Array.from(owners),
    vectors: rows((_, at) => 4 * (base[at] + spread * stream.normal())),
    copies: rows((face) => (withCopies && face % 5 !== 1 ? 0.3 * stream.normal() : 0)),
    alpha: Float32Array.from(owners, () => stream.uniform()),
    score: new Float64Array(owners.length),
  };
}

/** What exact search needs of a store that holds these. */
function storeOf(vectors: EnrolledVectors): Pick<GalleryStore, "record" | "codes" | "read"> {
  const record = recordOf();
  return {
    record: async () => ({ ...record, space: { ...record.space, width } }),
    async codes(memory) {
      const codes = codeFaces(vectors);
      const out = emptyCodes(width, codes.count, codes.copies !== null, memory);
      placeCodes(out, codes, 0);
      return out;
    },
    async read(chosen) {
      const wanted = new Set(Array.from("faces" in chosen ? chosen.faces : chosen.people));
      const of = "faces" in chosen ? vectors.faces : vectors.people;
      const rows = [...of.keys()].filter((row) => wanted.has(of[row]));
      const take = (all: Float32Array): Float32Array =>
        Float32Array.from(rows.flatMap((row) => [...all.subarray(row * width, (row + 1) * width)]));
      return {
        width,
        faces: Int32Array.from(rows, (row) => vectors.faces[row]),
        people: Int32Array.from(rows, (row) => vectors.people[row]),
        vectors: take(vectors.vectors),
        copies: take(vectors.copies),
        alpha: Float32Array.from(rows, (row) => vectors.alpha[row]),
        score: new Float64Array(rows.length),
      };
    },
  };
}

describe.each([
  ["faces far apart", 200, 3, true],
  ["faces nearer to each other than 8 bits can tell", 200, 0.002, true],
  ["no copies", 100, 0.5, false],
  ["one person", 1, 1, true],
] as const)("exact search in 8 bits: %s", (_, people, spread, withCopies) => {
  test.each(templateRules)("gives the people and cosines of float32, by the rule %s", async (rule) => {
    const vectors = drawn(people, spread, withCopies);
    const stream = random("probes", people);
    const probes = 19;
    const rows = normaliseRows(
      Float32Array.from({ length: probes * width }, (_, at) => vectors.vectors[at % width] + stream.normal()),
      width,
    );
    const alpha = Array.from({ length: probes }, (_, at) => (at % 3 === 0 ? 1 : stream.uniform()));
    const without = Int32Array.from({ length: probes }, (_, at) => (at % 2 === 0 ? (vectors.people[at] ?? -1) : -1));
    await using plain = openSearcher(buildTemplates(vectors, rule), { threads: 1 });
    await using coded = await openExactSearcher(storeOf(vectors), rule, { threads: 2 });
    expect([coded.faces, coded.people]).toEqual([vectors.faces.length, people]);
    const [wanted, found] = [
      await plain.search({ rows, alpha, without }, 5),
      await coded.search({ rows, alpha, without }, 5),
    ];
    found.forEach((candidates, probe) => {
      const own = wanted[probe] ?? [];
      expect(candidates).toHaveLength(own.length);
      candidates.forEach(({ person, cosine }, rank) => {
        // Both are float32 up to the order of the sums; where that leaves a tie, either person will
        // do.
        expect(cosine).toBeCloseTo(own[rank]?.cosine, 5);
        if (spread > 0.01) expect(person).toBe(own[rank]?.person);
      });
      // The one that is to be left out is.
      expect(candidates.map(({ person }) => person)).not.toContain(without[probe]);
    });
    // Where nobody can be told apart, each of these searches compares with everybody.
    if (people > 1 && spread > 0.01 && rule === "quality") {
      const [one, other] = [
        await estimateThresholds(vectors, plain, 0.05),
        await estimateThresholds(await coded.sample(2048), coded, 0.05),
      ];
      expect(other?.table.rows.map(({ cosine }) => cosine)).toEqual(
        one?.table.rows.map(({ cosine }) => expect.closeTo(cosine as number, 4)),
      );
    }
  });
});

test("an empty gallery holds nobody", async () => {
  await using coded = await openExactSearcher(storeOf(drawn(0, 1, true)), "quality", { threads: 1 });
  const rows = normaliseRows(new Float32Array(width).fill(1), width);
  expect(await coded.search({ rows, alpha: [0.5] }, 3)).toEqual([[]]);
});
