import { describe, expect, it } from "vitest";
import { type GalleryPart, partOfPerson, searchParts } from "../../src/cluster/index.ts";
import { buildTemplates, openSearcher, type Probes, type Templates } from "../../src/gallery/index.ts";
import { normaliseRows } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";

const width = 16;
const names = Array.from({ length: 200 }, (_, i) => `person ${i}`);

/** Two faces of each of some people; a person's faces do not depend on who else is there. */
function templatesOf(people: readonly string[]): Templates {
  const draws = people.flatMap((name) => [0, 1].map((face) => random("search over servers", name, face)));
  const vectors = (): Float32Array =>
    Float32Array.from(draws.flatMap((stream) => Array.from({ length: width }, () => stream.normal())));
  const owners = Int32Array.from(draws, (_, face) => Math.floor(face / 2));
  const alpha = Float32Array.from(draws, () => 1);
  const faces = Int32Array.from(draws.keys());
  const score = new Float64Array(draws.length);
  return buildTemplates({ width, faces, people: owners, vectors: vectors(), copies: vectors(), alpha, score }, "best");
}

function probesOf(count: number): Probes {
  const stream = random("probes over servers");
  const rows = normaliseRows(
    Float32Array.from({ length: count * width }, () => stream.normal()),
    width,
  );
  return { rows, alpha: Array.from({ length: count }, () => stream.uniform()) };
}

/** A part that holds some people. */
function partOf(shown: string, people: readonly string[]): GalleryPart & AsyncDisposable {
  const searcher = openSearcher(templatesOf(people), { threads: 1 });
  return {
    shown,
    async search(probes, top, signal) {
      const found = await searcher.search(probes, top, signal);
      return found.map((each) => each.map(({ person, cosine }) => ({ name: people[person] ?? "", cosine })));
    },
    [Symbol.asyncDispose]: () => searcher[Symbol.asyncDispose](),
  };
}

describe("a gallery spread over servers", () => {
  const probes = probesOf(25);

  it.each([1, 2, 3, 7])("%i parts give the answer of one, bit for bit", async (count) => {
    await using whole = partOf("whole", names);
    const wanted = await whole.search(probes, 10);
    const parts = Array.from({ length: count }, (_, at) =>
      partOf(
        `part ${at}`,
        names.filter((name) => partOfPerson(name, count) === at),
      ),
    );
    const { candidates, missing } = await searchParts(parts, probes, 10, { whenDown: "error" });
    expect(missing).toEqual([]);
    expect(candidates).toEqual(wanted);
    for (const part of parts) await part[Symbol.asyncDispose]();
  });

  it("spreads people evenly", () => {
    const parts = Array.from({ length: 8000 }, (_, i) => partOfPerson(`person ${i}`, 8));
    const counts = Array.from({ length: 8 }, (_, part) => parts.filter((each) => each === part).length);
    // 1,000 expected in each; five standard deviations are 148.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(148);
  });

  it("a part that is down is an error, or a partial answer that names it, as asked", async () => {
    const half = names.filter((name) => partOfPerson(name, 2) === 0);
    await using up = partOf("postgres://db1/faces", half);
    const down: GalleryPart = {
      shown: "postgres://db2/faces",
      search: () => Promise.reject(new Error("connection refused")),
    };
    await expect(searchParts([up, down], probes, 5, { whenDown: "error" })).rejects.toThrow(
      "1 of 2 parts of the gallery cannot be searched, the first is postgres://db2/faces: connection refused",
    );
    const partial = await searchParts([up, down], probes, 5, { whenDown: "partial" });
    expect(partial.missing).toEqual([{ part: "postgres://db2/faces", reason: "connection refused" }]);
    expect(partial.candidates).toEqual(await up.search(probes, 5));
    await expect(searchParts([down, down], probes, 5, { whenDown: "partial" })).rejects.toThrow("2 of 2 parts");
  });
});
