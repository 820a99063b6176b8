import { expect, test } from "vitest";
import { openOneAtATime } from "../../src/server/one-at-a-time.ts";

test("work is done in its order, and a failure does not hold up what follows", async () => {
  const turns = openOneAtATime();
  const order: number[] = [];
  const work = (number: number) => async () => {
    order.push(number);
    await new Promise((resolve) => setImmediate(resolve));
    order.push(number);
    if (number === 1) throw new Error("one");
    return number;
  };
  const all = await Promise.allSettled([0, 1, 2].map((number) => turns(work(number))));
  expect(all.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(order).toEqual([0, 0, 1, 1, 2, 2]);
});

test("work whose signal aborts before its turn is refused at once, and not begun", async () => {
  const turns = openOneAtATime();
  let end = (): void => {};
  const first = turns(
    () =>
      new Promise<void>((resolve) => {
        end = resolve;
      }),
  );
  const controller = new AbortController();
  let isBegun = false;
  const second = turns(async () => {
    isBegun = true;
  }, controller.signal);
  controller.abort(new Error("gone"));
  // The first one has not ended.
  await expect(second).rejects.toThrow("gone");
  await expect(turns(async () => {}, controller.signal)).rejects.toThrow("gone");
  end();
  await first;
  expect(await turns(async () => "third")).toBe("third");
  expect(isBegun).toBe(false);
});

test("work that has begun is not cut off", async () => {
  const turns = openOneAtATime();
  const controller = new AbortController();
  const work = turns(async () => {
    controller.abort(new Error("too late"));
    await new Promise((resolve) => setImmediate(resolve));
    return "done";
  }, controller.signal);
  expect(await work).toBe("done");
});
