import { expect, test } from "vitest";
import { findSeveralPeople } from "../../src/gallery/several-people.ts";
import { addScaled, normaliseRows } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";

const width = 256;
/** Strangers have cosines about 0 with a standard deviation of 0.063; four of those. */
const level = 0.25;
const nobody = { sum: new Float32Array(width), faces: 0 };

/** Unit embeddings of people, so many of each; faces of one have cosines about 0.6. */
function drawn(seed: number, ...counts: number[]): Float32Array[] {
  const stream = random("several people", seed);
  return counts.flatMap((count) => {
    const person = Array.from({ length: width }, () => stream.normal());
    return Array.from({ length: count }, () =>
      normaliseRows(
        Float32Array.from(person, (value) => value + 0.8 * stream.normal()),
        width,
      ),
    );
  });
}

const enrolledOf = (units: readonly Float32Array[]) => {
  const sum = new Float32Array(width);
  for (const unit of units) addScaled(sum, unit);
  return { sum, faces: units.length };
};

test("faces of one person are never doubted", () => {
  for (let seed = 0; seed < 200; seed++)
    for (const count of [1, 2, 3, 8]) {
      expect(findSeveralPeople(drawn(seed, count), nobody, level).size).toBe(0);
      const [first = new Float32Array(), ...rest] = drawn(seed, count + 1);
      expect(findSeveralPeople(rest, enrolledOf([first]), level).size).toBe(0);
    }
});

test("two people with as many faces each are both doubted, next to a face of the other", () => {
  for (let seed = 0; seed < 50; seed++) {
    const found = findSeveralPeople(drawn(seed, 3, 3), nobody, level);
    expect([...found.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const [face, { reason, cosine, unlike }] of found) {
      expect(reason).toBe("two people under one name");
      expect(cosine).toBeLessThan(level);
      expect(face < 3).toBe((unlike ?? 0) >= 3);
    }
  }
});

test("of most faces' person the others are doubted alone, and of three people all but that one", () => {
  for (let seed = 0; seed < 50; seed++) {
    const two = findSeveralPeople(drawn(seed, 6, 2), nobody, level);
    expect([...two.keys()].sort()).toEqual([6, 7]);
    expect(two.get(6)).toMatchObject({ reason: "not like the person's other faces" });
    const three = findSeveralPeople(drawn(seed, 2, 7, 3), nobody, level);
    expect([...three.keys()].sort((a, b) => a - b)).toEqual([0, 1, 9, 10, 11]);
  }
});

test("a single face is left to the comparison with all others", () => {
  expect(findSeveralPeople(drawn(1, 4, 1), nobody, level).size).toBe(0);
});

test("several faces of somebody else are doubted where the person is enrolled, however many they are", () => {
  for (let seed = 0; seed < 50; seed++) {
    const [one, two, ...others] = drawn(seed, 2, 5);
    if (one === undefined || two === undefined) throw new Error("no faces");
    const found = findSeveralPeople(others, enrolledOf([one, two]), level);
    expect([...found.keys()].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(found.get(0)).toMatchObject({ reason: "not like the person's other faces", unlike: undefined });
  }
});

test("64 people are doubted; of more, and of a folder of strangers, each face is left to the gate", () => {
  const pairs = (people: number): number[] => Array.from({ length: people }, () => 2);
  expect(findSeveralPeople(drawn(1, ...pairs(64)), nobody, level).size).toBe(128);
  expect(findSeveralPeople(drawn(1, ...pairs(65)), nobody, level).size).toBe(0);
  // Without a limit this would compare thousands of groups with each other, again and again.
  expect(findSeveralPeople(drawn(1, ...Array.from({ length: 3000 }, () => 1)), nobody, level).size).toBe(0);
});
