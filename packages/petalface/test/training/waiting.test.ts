import { expect, test } from "vitest";
import { waitingClock } from "../../src/training/steps/waiting.ts";

test("the share that is waited counts from the first batch to the last", () => {
  let time = 100;
  const clock = waitingClock(() => time);
  expect(clock.share()).toBeUndefined();
  time = 900;
  clock.arrived();
  expect([clock.share(), clock.last()]).toEqual([undefined, undefined]);
  time = 990;
  clock.asked();
  time = 1000;
  clock.arrived();
  expect([clock.share(), clock.last()]).toEqual([0.1, 10]);
  time = 1070;
  clock.asked();
  time = 1100;
  clock.arrived();
  expect([clock.share(), clock.last()]).toEqual([0.2, 30]);
});
