import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { comparePreprocessing } from "../../src/audit/index.ts";
import { separationOf, separationsOf } from "../../src/audit/separation.ts";
import { openBackbone } from "../../src/backbones/index.ts";
import { type FaceData, openData, subset } from "../../src/data/index.ts";
import { openLoader } from "../../src/images/index.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");

/** Unit vectors of two numbers at these angles, in degrees. */
const at = (...degrees: number[]): Float32Array =>
  Float32Array.from(degrees.flatMap((angle) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)]));

describe("how far apart people are", () => {
  it("is d' of the cosines of one person's pairs and those of others", () => {
    // Cosines of one person: 1 and 0.5; of two: cos 90, cos 150, cos 90, cos 150.
    const { samePerson, others, distance } = separationOf(separationsOf(at(0, 0, 90, 150), 2, [0, 0, 1, 1]));
    expect(samePerson).toBeCloseTo(0.75, 6);
    expect(others).toBeCloseTo(-Math.sqrt(3) / 4, 6);
    const spread = Math.sqrt((0.25 ** 2 + 3 / 16) / 2);
    expect(distance).toBeCloseTo((0.75 + Math.sqrt(3) / 4) / spread, 5);
  });

  it("counts a person as often as drawn, and leaves out faces without an embedding", () => {
    const sums = separationsOf(at(0, 60, 90, 150), 2, [0, 0, 1, 1]);
    expect(separationOf(sums, Float64Array.of(3, 0)).samePerson).toBeCloseTo(0.5, 6);
    expect(separationOf(sums, Float64Array.of(3, 0)).distance).toBe(0);
    const [a, b] = [at(10, 50, 100), at(10, 50, 100)];
    b.fill(Number.NaN, 4);
    expect(separationsOf(a, 2, [0, 0, 0]).counts[0]).toBe(3);
    expect(separationsOf(b, 2, [0, 0, 0]).counts[0]).toBe(1);
  });
});

/** Half of the people that are compared at most, evenly spread, with three faces each. */
function halfOf(data: FaceData): FaceData {
  const counts = new Map<number, number>();
  for (let at = 0; at < data.length; at++) {
    const { person } = data.at(at);
    counts.set(person, (counts.get(person) ?? 0) + 1);
  }
  const several = [...counts].filter(([, faces]) => faces >= 3).map(([person]) => person);
  const chosen = new Set(several.filter((_, at) => at % Math.floor(several.length / 24) === 0).slice(0, 24));
  return subset(data, ({ person }) => chosen.has(person));
}

describe.skipIf(!existsSync(shared))("ways to feed a model (needs PETALFACE_SHARED)", () => {
  it.each([
    ["rgb", "right"],
    ["bgr", "wrong"],
  ] as const)("finds that mobilefacenet with %s first is %s", async (channels, verdict) => {
    const backbone = await openBackbone(join(shared, "weights/mobilefacenet.onnx"), { channels });
    const data = halfOf(await openData(join(shared, "data/lfw112")));
    await using loader = openLoader({ size: backbone.size, threads: 1 });
    const found = await comparePreprocessing({ backbone, data, loader, session: { threads: 1 } });
    expect([found.verdict, found.people, found.faces]).toEqual([verdict, 24, 72]);
    expect(found.same).toBe("people");
    expect(found.tellsChannels).toBe(true);
    if (verdict === "wrong") expect(found.instead).toMatchObject({ channels: "rgb", normalize: "127.5,1/128" });
  });
});
