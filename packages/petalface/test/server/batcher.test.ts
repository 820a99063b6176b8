import { describe, expect, test } from "vitest";
import { openBatcher } from "../../src/server/batcher.ts";

/** A batcher of letters whose batches end when the test says so. */
function openTest(atOnce?: number, wait = 0) {
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const batcher = openBatcher<string, string>({
    most: 2,
    wait,
    atOnce,
    run: (items) => {
      started.push(items.join(""));
      return new Promise((resolve) => ends.push(() => resolve(items.map((item) => item.toUpperCase()))));
    },
  });
  return { batcher, started, end: (at: number) => ends[at]?.() };
}

describe("a batcher", () => {
  test("starts a full batch at once, and gives each item its own result", async () => {
    // Nothing is waited for: a timer of this length would outlast the test.
    const { batcher, started, end } = openTest(1, 1e6);
    const results = [batcher.submit("a"), batcher.submit("b")];
    expect(started).toEqual(["ab"]);
    end(0);
    expect(await Promise.all(results)).toEqual(["A", "B"]);
  });

  test("starts a batch that is not full when its first item has waited", async () => {
    const { batcher, started, end } = openTest(1, 1);
    const result = batcher.submit("a");
    expect(started).toEqual([]);
    await expect.poll(() => started).toEqual(["a"]);
    end(0);
    expect(await result).toBe("A");
  });

  test("works on one batch at a time unless it may work on more", async () => {
    const { batcher, started, end } = openTest();
    const results = [..."abcd"].map((item) => batcher.submit(item));
    expect(started).toEqual(["a"]);
    end(0);
    await results[0];
    await expect.poll(() => started).toEqual(["a", "bc"]);
    end(1);
    await expect.poll(() => started).toEqual(["a", "bc", "d"]);
    end(2);
    expect(await Promise.all(results)).toEqual([..."ABCD"]);
  });

  test("starts a second batch while the first runs only where it is full", async () => {
    const { batcher, started, end } = openTest(2);
    const results = [..."abcdef"].map((item) => batcher.submit(item));
    // "d", "e" and "f" wait: two batches are under way.
    expect(started).toEqual(["a", "bc"]);
    end(1);
    await results[1];
    await expect.poll(() => started).toEqual(["a", "bc", "de"]);
    end(2);
    await results[3];
    // "f" alone would make a batch that others could still join.
    expect(started).toHaveLength(3);
    expect(batcher.waiting).toBe(1);
    end(0);
    await expect.poll(() => started).toEqual(["a", "bc", "de", "f"]);
    end(3);
    expect(await Promise.all(results)).toEqual([..."ABCDEF"]);
  });

  test("leaves out what was given up before its batch started", async () => {
    const { batcher, started, end } = openTest(2);
    const leaving = new AbortController();
    const first = batcher.submit("a");
    const gone = batcher.submit("b", leaving.signal);
    leaving.abort(new Error("gone"));
    const last = batcher.submit("c");
    await expect(gone).rejects.toThrow("gone");
    expect(started).toEqual(["a", "c"]);
    end(0);
    end(1);
    expect(await Promise.all([first, last])).toEqual(["A", "C"]);
  });

  test("fails the items of a batch that fails, and goes on", async () => {
    let fails = true;
    const batcher = openBatcher<string, string>({
      most: 2,
      wait: 0,
      run: async (items) => {
        if (fails) throw new Error("no engine");
        return items;
      },
    });
    await expect(batcher.submit("a")).rejects.toThrow("no engine");
    fails = false;
    expect(await batcher.submit("b")).toBe("b");
  });
});
