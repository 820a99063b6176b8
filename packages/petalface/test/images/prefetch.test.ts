import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { prefetch } from "../../src/images/index.ts";

/** Counts what was started, finished by the consumer, and whether the source was closed. */
function observed(length: number, failAt = -1) {
  const seen = { started: 0, closed: false };
  const item = async (index: number) => {
    await pause((index * 7) % 3);
    if (index === failAt) throw new Error(`item ${index}`);
    return index;
  };
  function* promises() {
    try {
      for (let index = 0; index < length; index++) {
        seen.started++;
        yield item(index);
      }
    } finally {
      seen.closed = true;
    }
  }
  async function* items() {
    try {
      for (let index = 0; index < length; index++) {
        seen.started++;
        yield await item(index);
      }
    } finally {
      seen.closed = true;
    }
  }
  return { seen, promises, items };
}

describe.each(["promises", "items"] as const)("prefetch of %s", (kind) => {
  it("keeps order and never runs more than `depth` ahead", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(12), fc.integer({ min: 1, max: 5 }), async (length, depth) => {
        const source = observed(length);
        const got: number[] = [];
        for await (const item of prefetch(source[kind](), depth)) {
          got.push(item);
          expect(source.seen.started - got.length).toBeLessThanOrEqual(depth);
        }
        expect(got).toEqual(Array.from({ length }, (_, index) => index));
      }),
      { numRuns: 25 },
    );
  });

  it("works ahead while the consumer is busy", async () => {
    const source = observed(10);
    const reader = prefetch(source[kind](), 3);
    await reader.next();
    await pause(60);
    expect(source.seen.started).toBe(4);
    await reader.return();
  });

  it("passes an error on in its place and closes the source", async () => {
    const source = observed(10, 4);
    const got: number[] = [];
    const reading = async () => {
      for await (const item of prefetch(source[kind](), 3)) got.push(item);
    };
    await expect(reading()).rejects.toThrow("item 4");
    expect(got).toEqual([0, 1, 2, 3]);
    expect(source.seen.closed).toBe(true);
    expect(source.seen.started).toBeLessThan(10);
  });

  it("stops the source when the consumer stops", async () => {
    const source = observed(100);
    for await (const item of prefetch(source[kind](), 2)) if (item === 3) break;
    expect(source.seen.closed).toBe(true);
    expect(source.seen.started).toBeLessThanOrEqual(6);
  });
});

describe("prefetch", () => {
  it("passes on an error of the source itself", async () => {
    function* broken(): Generator<Promise<number>> {
      yield Promise.resolve(1);
      throw new Error("no more");
    }
    const reader = prefetch(broken(), 4);
    expect((await reader.next()).value).toBe(1);
    await expect(reader.next()).rejects.toThrow("no more");
    expect((await reader.next()).done).toBe(true);
  });

  it("needs a depth", async () => {
    await expect(prefetch([1], 0).next()).rejects.toThrow(RangeError);
  });
});
