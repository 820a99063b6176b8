import { expect, it } from "vitest";
import type { FaceData, Sample } from "../../src/data/index.ts";
import { openAnchors } from "../../src/training/steps/anchors.ts";
import type { Targets } from "../../src/training/steps/targets.ts";

const width = 2;
const options = { loss: "distil+anchors", anchors: 100, seed: 3 } as const;

/** Faces whose people are known or not, and whose target is `[cos, sin]` of their number. */
function open(length: number, personOf: (face: number) => number, bad = -1) {
  const data = {
    length,
    at: (face: number) => ({ id: String(face), person: personOf(face), source: { kind: "file", path: String(face) } }),
  } as unknown as FaceData & { at(face: number): Sample };
  const embedded: number[] = [];
  const targets = {
    embed: (faces: readonly { readonly index: number }[]) =>
      Promise.resolve(
        faces.map(({ index }) => {
          embedded.push(index);
          return Float32Array.of(index === bad ? Number.NaN : Math.cos(index), Math.sin(index));
        }),
      ),
  } as unknown as Targets;
  const loader = { load: () => Promise.resolve(new Uint8Array(0)), used: (face: number) => face };
  return { anchors: openAnchors({ data, loader, options } as never, targets, width), embedded };
}

const seen = (anchors: { others(face: number): Float32Array }, face: number): number =>
  anchors.others(face).reduce((sum, value) => sum + value, 0);

it("grows by the same faces whether a run started here or before", async () => {
  const stepwise = open(300, (face) => face);
  for (let step = 0; step < 3; step++) await stepwise.anchors.growTo(step);
  const resumed = open(300, (face) => face);
  await resumed.anchors.growTo(2);
  expect(resumed.anchors.rows).toEqual(stepwise.anchors.rows);
  expect(resumed.embedded).toEqual(stepwise.embedded);
  expect(new Set(resumed.embedded).size).toBe(96);
  await resumed.anchors.growTo(50);
  expect(resumed.embedded).toHaveLength(100);
  expect(resumed.anchors.rows.subarray(0, 192)).toEqual(stepwise.anchors.rows.subarray(0, 192));
});

it("has no anchor that is not there yet, of the same person, the face itself, or not finite", async () => {
  const { anchors, embedded } = open(60, (face) => face % 6, 7);
  expect(anchors.count).toBe(60);
  expect(seen(anchors, 0)).toBe(0);
  await anchors.growTo(0);
  const others = (face: number): number => embedded.filter((each) => each % 6 !== face % 6 && each !== 7).length;
  expect(seen(anchors, 0)).toBe(others(0));
  await anchors.growTo(1);
  // 59 finite ones; the ten of the own person count for none, or nine where the bad one is of them.
  expect(seen(anchors, 0)).toBe(49);
  expect(seen(anchors, 1)).toBe(50);
  const unknown = open(20, () => -1);
  await unknown.anchors.growTo(0);
  expect(seen(unknown.anchors, 4)).toBe(19);
});
