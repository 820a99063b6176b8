import { describe, expect, test } from "vitest";
import { hardestPairs, type VerificationOutcome } from "../../../src/evaluation/index.ts";
import { placeInPlane, similarityTable } from "../../../src/evaluation/report/views.ts";
import { random } from "../../../src/random.ts";

const width = 16;
const people = 6;
const each = 9;

/** Rows of some people, each near a direction of its own. */
function faces(noise: number): Float32Array {
  const next = random("faces");
  const centres = Array.from({ length: people * width }, () => next.normal());
  return Float32Array.from({ length: people * each * width }, (_, i) => {
    const person = Math.floor(i / width / each);
    return centres[person * width + (i % width)] + noise * next.normal();
  });
}

describe("the map", async () => {
  const places = await placeInPlane(faces(0.2), width);
  test("puts each face nearest to another of its person", () => {
    const near = places.map((own, i) => {
      const distances = places.map(([x, y], j) =>
        i === j ? Number.POSITIVE_INFINITY : Math.hypot(x - own[0], y - own[1]),
      );
      return Math.floor(distances.indexOf(Math.min(...distances)) / each) === Math.floor(i / each);
    });
    expect(near.filter(Boolean).length / near.length).toBeGreaterThan(0.95);
  });
  test("is the same for the same seed, and does not look at lengths", async () => {
    expect(await placeInPlane(faces(0.2), width)).toEqual(places);
    expect(await placeInPlane(faces(0.2), width, 2)).not.toEqual(places);
    expect(
      await placeInPlane(
        faces(0.2).map((x) => x * 4),
        width,
      ),
    ).toEqual(places);
    await expect(placeInPlane(new Float32Array(3 * width), width)).rejects.toThrow(/at least 4 faces/);
  });
});

test("similarities are cosines", () => {
  const data = Float32Array.of(3, 0, 0, 2, 1, 1);
  const table = similarityTable({ name: "m", width: 2, data }, [0, 2], [0, 1]);
  [
    [1, 0],
    [Math.SQRT1_2, Math.SQRT1_2],
  ].forEach((row, p) => {
    row.forEach((value, g) => {
      expect(table[p]?.[g]).toBeCloseTo(value, 6);
    });
  });
});

test("the hardest pairs: each person once, and which side was degraded", () => {
  const same = Uint8Array.of(1, 1, 1, 0, 0, 1, 1, 1, 0, 0);
  const outcome: VerificationOutcome = {
    kind: "verification",
    condition: { kind: "mixed", degradation: "lr:8" },
    same,
    scores: Float32Array.of(0.5, 0.2, 0.9, 0.7, 0.1, 0.6, 0.3, 0.1, 0.4, 0.8),
    first: Int32Array.of(0, 1, 2, 0, 1, 0, 1, 2, 0, 1),
    second: Int32Array.of(0, 1, 2, 1, 2, 0, 1, 2, 1, 2),
    firstItem: Int32Array.of(0, 2, 4, 0, 2, 0, 2, 4, 0, 2),
    secondItem: Int32Array.of(1, 3, 5, 2, 4, 1, 3, 5, 2, 4),
  };
  const result = { detail: { items: [], outcomes: [outcome], alphas: [], digests: [] } } as never;
  const { genuine, impostor } = hardestPairs(result, outcome.condition, 2);
  expect(genuine).toMatchObject([
    { first: 4, second: 5, firstDegradation: "lr:8", secondDegradation: null, place: 7 },
    { first: 2, second: 3, firstDegradation: null, secondDegradation: "lr:8", place: 1 },
  ]);
  expect(impostor).toMatchObject([{ first: 2, second: 4, firstDegradation: "lr:8", place: 9 }]);
});
