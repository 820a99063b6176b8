import { describe, expect, it } from "vitest";
import { shareOfGain } from "../bench/length/gain.ts";

describe("the share of a gain", () => {
  const person = [0, 0, 1, 1, 2];
  const found = (...first: number[]) => ({ person, first });

  it("is what the short training found more than the frozen network, of what the long one did", () => {
    const frozen = found(1, 0, 0, 0, 0);
    const [short, long] = [found(1, 1, 0, 0, 1), found(1, 1, 1, 1, 1)];
    expect(shareOfGain({ frozen, short, long }, 3).value).toBe(0.5);
    const same = shareOfGain({ frozen, short: long, long }, 3);
    expect(same).toMatchObject({ value: 1, low: 1, high: 1 });
    const none = shareOfGain({ frozen, short: frozen, long }, 3);
    expect(none).toMatchObject({ value: 0, low: 0, high: 0 });
  });

  it("has an interval over people", () => {
    const frozen = found(0, 0, 0, 0, 0);
    const { low, high } = shareOfGain({ frozen, short: found(1, 1, 0, 0, 1), long: found(1, 1, 1, 1, 1) }, 3);
    // Only the second person gains nothing: drawn three times the share is 0, drawn never it is 1.
    expect([low, high]).toEqual([0, 1]);
  });
});
