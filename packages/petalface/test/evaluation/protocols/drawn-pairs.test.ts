import fc from "fast-check";
import { expect, test } from "vitest";
import { syntheticPairs } from "../../../src/evaluation/index.ts";
import { fakeData } from "../fixtures.ts";

test("folds share no people, both kinds are equally many, no pair comes twice, flags are true", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 60 }),
      fc.integer({ min: 2, max: 5 }),
      fc.integer({ min: 20, max: 300 }),
      (people, folds, pairs) => {
        const protocol = syntheticPairs(
          fakeData(people, (person) => 1 + ((person * 7) % 3 || 1)),
          { pairs, folds, seed: people },
        );
        const foldOf = new Map<number, number>();
        const seen = new Set<string>();
        const balance = new Array<number>(folds).fill(0);
        for (const { first, second, same, fold } of protocol.pairs) {
          const [a, b] = [protocol.images[first], protocol.images[second]] as [
            { id: string; person: number },
            { id: string; person: number },
          ];
          expect(a.person === b.person).toBe(same);
          for (const { person } of [a, b]) {
            expect(foldOf.get(person) ?? fold).toBe(fold);
            foldOf.set(person, fold);
          }
          const key = [a.id, b.id].sort().join();
          expect(seen.has(key)).toBe(false);
          seen.add(key);
          balance[fold] = (balance[fold] ?? 0) + (same ? 1 : -1);
        }
        expect(balance.every((sum) => sum === 0)).toBe(true);
        expect(protocol.pairs.length).toBeLessThanOrEqual(pairs);
      },
    ),
    { numRuns: 60 },
  );
});

test("as many pairs as asked for where the data has them, and the people in turn", () => {
  const protocol = syntheticPairs(fakeData(200, 5), { pairs: 400, folds: 10, seed: 1 });
  expect(protocol.pairs).toHaveLength(400);
  const genuine = protocol.pairs.filter((p) => p.same).map((p) => protocol.images[p.first]?.person);
  expect(new Set(genuine).size).toBe(200);
});

test("same seed, same protocol; another seed, another", () => {
  const make = (seed: number) => syntheticPairs(fakeData(50, 3), { pairs: 100, folds: 2, seed }).fingerprint;
  expect(make(1)).toBe(make(1));
  expect(make(1)).not.toBe(make(2));
});

test("too few people is an error that says how many are needed", () => {
  expect(() => syntheticPairs(fakeData(50, 1))).toThrow(/0 people with two images or more; 10 folds need 20/);
  expect(() => syntheticPairs(fakeData(3, 2), { folds: 2 })).toThrow(/3 people .* need 4/);
  expect(() => syntheticPairs(fakeData(50, 2), { folds: 1 })).toThrow(/folds is 1/);
  expect(() => syntheticPairs(fakeData(50, 2), { pairs: Number.NaN })).toThrow(/pairs is NaN/);
});
