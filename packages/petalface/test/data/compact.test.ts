import { describe, expect, it } from "vitest";
import { compactRecords } from "../../src/data/records/compact.ts";
import { sortKeys } from "../../src/data/records/keys.ts";
import { random } from "../../src/random.ts";

const positions = (length: number): number[] => Array.from({ length }, (_, at) => at);
const never = (key: number): never => {
  throw new Error(`${key} twice`);
};

describe("compactRecords", () => {
  const stream = random("compact", 1);
  const length = 10_000;
  const ascending = Float64Array.from(positions(length), (at) => 2 ** 40 + 700 * at);
  const cases: readonly [string, Uint32Array, Float64Array, Int32Array][] = [
    [
      "keys without gaps, blocks of people",
      Uint32Array.from(positions(length), (at) => at + 1),
      ascending,
      Int32Array.from(positions(length), (at) => Math.floor(at / 20)),
    ],
    [
      "keys with gaps, places in any order, people in any order and unknown",
      Uint32Array.from(positions(length), (at) => 3 * at),
      Float64Array.from(stream.shuffle(Float64Array.from(ascending))),
      Int32Array.from(positions(length), () => stream.int(40) - 1),
    ],
    [
      "places that are no multiples of 4, and further apart than 32 bits reach",
      Uint32Array.from(positions(length), (at) => at),
      Float64Array.from(positions(length), (at) => at * 2 ** 36 + 1),
      new Int32Array(length).fill(-1),
    ],
    ["one record", Uint32Array.of(7), Float64Array.of(12), Int32Array.of(0)],
  ];
  it.each(cases)("says what the lists say: %s", (_, keys, offsets, person) => {
    const compact = compactRecords({ keys, offsets, person });
    expect(compact.length).toBe(keys.length);
    // Forwards, backwards and in any order: the last person is remembered.
    const order = positions(keys.length);
    for (const places of [order, order.toReversed(), [...stream.shuffle(Uint32Array.from(order))]])
      expect(places.map((at) => [compact.keyAt(at), compact.offsetAt(at), compact.personAt(at)])).toEqual(
        places.map((at) => [keys[at], offsets[at], person[at]]),
      );
    for (const at of [-1, 0.5, keys.length])
      for (const lookup of [compact.keyAt, compact.offsetAt, compact.personAt]) expect(() => lookup(at)).toThrow();
  });
});

describe("sortKeys", () => {
  it.each([
    ["in order", [1, 2, 5, 9]],
    ["record 0 at the end", [1, 2, 3, 4, 0]],
    ["the larger part at the end", [8, 9, 0, 1, 2, 3]],
    ["two parts that overlap", [1, 3, 5, 2, 4]],
    ["any order", [4, 0, 3, 1, 9, 7]],
    ["any order, and far apart", [90_000, 4, 70_000, 5]],
  ])("puts each place to its key: %s", (_, given) => {
    const sorted = sortKeys(
      { keys: Uint32Array.from(given), offsets: Float64Array.from(given, (key) => 8 * key) },
      never,
    );
    const wanted = [...given].sort((one, other) => one - other);
    expect([...sorted.keys]).toEqual(wanted);
    expect([...sorted.offsets]).toEqual(wanted.map((key) => 8 * key));
  });

  it.each([[[1, 2, 2, 3]], [[1, 2, 3, 1]], [[3, 1, 2, 3]], [[5, 90_000, 5]]])(
    "refuses a key that is there twice: %j",
    (given) => {
      const lists = { keys: Uint32Array.from(given), offsets: new Float64Array(given.length) };
      expect(() => sortKeys(lists, never)).toThrow(/twice/);
    },
  );
});
